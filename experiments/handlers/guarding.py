"""Rows of a golden set are never learned from: looked for once more where a training begins."""

from experiments.contracts.results import broken
from experiments.contracts.sources import rows_in
from experiments.models import DatasetVersion
from experiments.rows.golden import golden_in_training
from experiments.selectors import golden_sets
from jobs.kinds import JobContext
from registry.errors import ConflictError


def refuse_golden_rows(ctx: JobContext, data: DatasetVersion) -> None:
    """See that no row of a golden set of the team is among those that ``data`` would be learned from.

    A set may have become golden after ``data`` was made.

    Raises:
        ConflictError: names the golden sets, how many rows and some of their keys, and the way out.
    """
    found = golden_in_training(
        rows_in(data.parquet), columns=data.columns, splits=data.splits, time_column=data.time_column,
        golden=golden_sets(data.dataset),
    )  # fmt: skip
    for one in found:
        ctx.log(f"{'passed' if one.passed else 'FAILED'}: {one.name} ({one.detail})")
    if stopping := broken(found):
        told = "; ".join(f"{one.name}: {one.detail}{_such_as(one.sample)}" for one in stopping)
        raise ConflictError(
            f"Nothing is trained on {data}. {told}. {stopping[0].reason}",
            unmet=[{"rule": one.name, "who": "an engineer, by a version without these rows"} for one in stopping],
        )


def _such_as(sample: list[str]) -> str:
    return f" (such as {', '.join(sample)})" if sample else ""
