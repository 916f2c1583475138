"""The rows that a retraining learns from: labelled predictions of a window, parted by time, as a data set version.

It is imported where it is used, in the job's own process: it reads the lake and builds frames.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from experiments.models import Dataset, DatasetVersion
from experiments.rows.frames import load_frame
from experiments.selectors import split_rows, training_data_of
from experiments.services import dataset_version_freeze
from jobs.kinds import JobContext
from jobs.models import Job
from monitoring.labelling import labels
from monitoring.labelling.rows import LabelledRow, labelled_rows, query
from monitoring.models import Retraining
from monitoring.predictions import lake
from monitoring.retraining.parts import Policy
from monitoring.retraining.splitting import Interval, SplitError, split
from monitoring.selectors.log import log_policy_of
from monitoring.selectors.retraining import window_of
from monitoring.selectors.retraining_drift import champion_of
from monitoring.services import retraining_frozen
from registry.access import Actor
from registry.errors import RefusedError
from registry.models import ModelVersion
from serving.contract import is_withheld

TIME, KEY, TARGET = "predicted_at", "prediction", "outcome"
TYPES: dict[str, tuple[str, Any]] = {
    "double": ("double", pl.Float64), "float": ("double", pl.Float64), "long": ("long", pl.Int64),
    "integer": ("long", pl.Int64), "boolean": ("boolean", pl.Boolean), "string": ("string", pl.String),
}  # fmt: skip
MOST_NAMED = 5


class UnusableError(Exception):
    """The rows cannot be learnt from; says why, and who can clear it."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True)
class Source:
    """What the frozen rows are like.

    Attributes:
        inputs: {name: type} of the champion, in order.
        parent: the champion's own training rows, where they are known here.
    """

    champion: ModelVersion
    inputs: dict[str, str]
    parent: DatasetVersion | None

    @property
    def target(self) -> str:
        """The name of the column that holds the labels."""
        return self.parent.target if self.parent else TARGET


def freeze(ctx: JobContext) -> None:
    """Freeze the rows of the retraining that a job is for; one that cannot be learnt from is told, with the reason."""
    retraining = Retraining.objects.select_related("model__team", "policy__made_by").get(pk=ctx.params["retraining_id"])
    try:
        version = _freeze(ctx, retraining)
    except (UnusableError, RefusedError) as why:
        ways = " ".join(f"{one['rule']}: {one['who']}." for one in getattr(why, "unmet", []))
        text = f"{why} {ways}".strip()
        ctx.log(text)
        with ctx.finish({"stopped": text, "rule": getattr(why, "rule", "rows")}):
            return
    with ctx.finish({"dataset_version": version.path, "rows": version.rows}):
        retraining_frozen(retraining_id=retraining.pk, dataset_version=version)


def _freeze(ctx: JobContext, retraining: Retraining) -> DatasetVersion:
    model, rules = retraining.model, retraining.policy.rules
    assert retraining.started_at  # noqa: S101  set with the job
    since, until = window_of(rules, now=retraining.started_at)
    ctx.progress(0.05, "Reading labelled predictions")
    source = source_of(retraining)
    rows = labelled_rows(model, since=since, until=until)
    ctx.log(f"{len(rows):,} labelled predictions of {model.name}, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC")
    check_told(rows, source)
    ctx.progress(0.4, "Parting them by time")
    frame, splits = parted(rows, source, rules, since=since)
    for name, part in splits.items():
        ctx.log(f"{name.replace('_', '-')}: {part.begins:%Y-%m-%d %H:%M:%S} until {part.ends:%Y-%m-%d %H:%M:%S} UTC")
    ctx.progress(0.7, "Writing and describing rows")
    return dataset_version_freeze(
        actor=Actor(retraining.policy.made_by, retraining.process),
        dataset=Dataset.objects.select_related("team").get(name=rules.dataset), frame=frame, columns=columns_of(source),
        time_column=TIME, target=source.target, key=KEY,
        splits={name: (part.begins, part.ends) for name, part in splits.items()},
        source=f"Predictions of {model.name} that were answered, joined with their newest label; {retraining.path}",
        query=_asked(retraining, source, since, until), job=Job.objects.get(pk=ctx.job_id),
    )  # fmt: skip


def source_of(retraining: Retraining) -> Source:
    """Return what the rows are like, by the champion.

    Raises:
        UnusableError: no version serves, its inputs are unknown or not flat, or the policy asks for training rows that are not known.
    """
    champion = champion_of(retraining.model)
    if champion is None or not champion.signature.get("inputs"):
        raise UnusableError("champion", "No champion says which inputs predictions have.")
    inputs = {column["name"]: column["type"] for column in champion.signature["inputs"]}
    if odd := [name for name, kind in inputs.items() if kind not in TYPES]:
        raise UnusableError("inputs", f"{', '.join(odd)}: inputs of this type cannot be kept as a column.")
    parent = training_data_of(champion)
    if retraining.policy.rules.with_parent:
        if parent is None:
            raise UnusableError(
                "parent", f"The training rows of {champion} are not known here; its policy asks for them."
            )
        if lacks := sorted(set(inputs) - set(parent.features())):
            raise UnusableError("parent", f"{parent} lacks {', '.join(lacks)}.")
    return Source(champion, inputs, parent)


def check_told(rows: Sequence[LabelledRow], source: Source) -> None:
    """See that the log holds the inputs as they were asked.

    Raises:
        UnusableError: names the columns that are withheld or missing, and who can clear it.
    """
    withheld: Counter[str] = Counter()
    for row in rows:
        withheld.update(name for name in source.inputs if name not in row.inputs or is_withheld(row.inputs[name]))
    if not withheld:
        return
    named = sorted(withheld, key=lambda name: -withheld[name])[:MOST_NAMED]
    told = ", ".join(f"{name} in {withheld[name]:,} of {len(rows):,}" for name in named)
    policy = log_policy_of(source.champion.model)
    raise UnusableError(
        "withheld",
        f"The prediction log does not hold all inputs (log policy {policy.number}): {told}. An engineer or admin of the team changes "
        "what is withheld, for predictions from then on; or a version is trained by hand on a data set that has them.",
    )


def parted(
    rows: Sequence[LabelledRow], source: Source, rules: Policy, *, since: datetime
) -> tuple[pl.DataFrame, dict[str, Interval]]:  # fmt: skip
    """Return all rows in order of time, and which part of time is learnt from, validated on and held out.

    Raises:
        UnusableError: a label is neither 0 nor 1, or there are too few rows for the parts.
    """
    odd = [row for row in rows if row.label not in (0, 1)]
    if odd:
        raise UnusableError("labels", f"The label {odd[0].label!r} of {odd[0].request_id} is neither 0 nor 1.")
    try:
        parts = split(
            [row.at for row in rows], held_out=rules.held_out, validation=rules.validation,
            embargo=timedelta(seconds=rules.maturity_s), known_until=_known_until(source, since),
        )  # fmt: skip
    except SplitError as error:
        raise UnusableError("parts", str(error)) from None
    values: dict[str, Any] = {name: [row.inputs[name] for row in rows] for name in source.inputs}
    values[source.target] = [int(row.label) for row in rows]
    values[TIME] = [row.at for row in rows]
    values[KEY] = [f"{row.request_id}/{row.row}" for row in rows]
    frame = pl.DataFrame(values, schema=_schema(source), strict=False)
    if not rules.with_parent or source.parent is None:
        return frame, parts
    earlier = _earlier(source, source.parent, before=min(since, parts["train"].begins))
    if len(earlier):
        parts["train"] = Interval(earlier[TIME][0], parts["train"].ends)
    return pl.concat([earlier, frame]), parts


def _schema(source: Source) -> dict[str, Any]:
    features = {name: TYPES[kind][1] for name, kind in source.inputs.items()}
    return {**features, source.target: pl.Int64, TIME: pl.Datetime("us", "UTC"), KEY: pl.String}


def _known_until(source: Source, since: datetime) -> datetime:
    """Return the newest row that the champion learnt from or was tuned on, as far as it is known here."""
    splits = source.parent.splits if source.parent else {}
    ends = [_instant(splits[name]["until"]) for name in ("train", "validation") if "until" in splits.get(name, {})]
    return max([*ends, since - timedelta(microseconds=1)])


def _instant(iso: str) -> datetime:
    at = datetime.fromisoformat(iso)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _earlier(source: Source, parent: DatasetVersion, *, before: datetime) -> pl.DataFrame:
    """Return the champion's training and validation rows that are older than the window, as rows of the window are."""
    frame = load_frame(parent.parquet, parent.digest)
    kept = pl.from_pandas(split_rows(parent, frame, "train"), include_index=False)
    if "validation" in parent.splits:
        kept = pl.concat([kept, pl.from_pandas(split_rows(parent, frame, "validation"), include_index=False)])
    named = kept.select(
        *source.inputs, parent.target, pl.col(parent.time_column).alias(TIME),
        (pl.lit(f"{parent}/") + pl.col(parent.key).cast(pl.String)).alias(KEY),
    )  # fmt: skip
    return named.cast(_schema(source)).filter(pl.col(TIME) < before).sort(TIME, KEY)  # type: ignore[arg-type]


def columns_of(source: Source) -> list[dict[str, str]]:
    """Return the columns of the frozen rows, with the meanings that are known."""
    known = {column["name"]: column["meaning"] for column in source.parent.columns} if source.parent else {}
    features = [
        {"name": name, "type": TYPES[kind][0], "role": "feature", "meaning": known.get(name, "input of the model")}
        for name, kind in source.inputs.items()
    ]
    return [
        *features,
        {
            "name": source.target,
            "type": "long",
            "role": "target",
            "meaning": known.get(source.target, "what became of it"),
        },
        {"name": TIME, "type": "datetime", "role": "time", "meaning": "when it was predicted; decides the part; UTC"},
        {"name": KEY, "type": "string", "role": "key", "meaning": "request and row"},
    ]


def _asked(retraining: Retraining, source: Source, since: datetime, until: datetime) -> dict[str, Any]:
    tables = {name: lake.open_table(name) for name in (lake.PREDICTIONS, labels.TABLE)}
    return {
        "retraining": retraining.path, "policy": retraining.policy.number, "model": retraining.model.name,
        "since": since.isoformat(), "until": until.isoformat(), "maturity_s": retraining.policy.rules.maturity_s,
        "sql": query(retraining.model, since=since, until=until),
        "tables": {name: table.version() for name, table in tables.items() if table},
        "champion": source.champion.number, "with": str(source.parent) if retraining.policy.rules.with_parent else None,
    }  # fmt: skip
