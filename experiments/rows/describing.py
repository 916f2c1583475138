"""All that is kept of rows beside the rows: columns, splits, profile, and which rules they hold. No ORM, clock or settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from experiments.contracts.checking import Circumstances, check
from experiments.contracts.results import CheckResult, brief
from experiments.contracts.rules import Rule
from experiments.contracts.sources import Rows
from experiments.contracts.standard import standard_rules, together
from experiments.rows.frames import SavedFrame
from experiments.rows.golden import GoldenRows, golden_in_training
from experiments.rows.leakage import leaks
from experiments.rows.profile import profile_in
from experiments.rows.roles import target_kind as kind_of_target
from experiments.rows.roles import the_column
from experiments.rows.splitting import SplitPolicy, split_facts


@dataclass(frozen=True)
class Description:
    """All that is kept of the rows of a data set version, beside the rows."""

    saved: SavedFrame
    columns: list[dict[str, str]]
    time_column: str
    target: str
    target_kind: str
    key: str
    starts_at: datetime | None
    ends_at: datetime | None
    policy: SplitPolicy
    splits: dict[str, dict[str, Any]]
    profile: dict[str, dict[str, Any]]
    results: list[CheckResult]
    source: str

    @property
    def checks(self) -> list[dict[str, Any]]:
        """What the version keeps of the results."""
        return brief(self.results)


def describe_rows(
    rows: Rows, saved: SavedFrame, *, columns: list[dict[str, str]], policy: SplitPolicy, source: str, now: datetime,
    target_kind: str = "", contract: Sequence[Rule] = (), previous_rows: int | None = None, golden: Sequence[GoldenRows] = (),
    progress: Callable[[float], None] = lambda share: None,
) -> Description:  # fmt: skip
    """Return the description of rows that were saved.

    Args:
        columns: [{name, type, role, meaning}], in order; one is the target, one the key, and one may be the time.
        now: what freshness is reckoned from.
        target_kind: what the target is declared to be; empty: what it looks like.
        contract: the rules that they are held to, beside the standard ones.
        previous_rows: of the version before.
        golden: the golden sets that nothing may be learned of.
    """
    target, key, time_column = (the_column(columns, role) for role in ("target", "key", "time"))
    profile = profile_in(rows)
    kind = target_kind or kind_of_target(saved.types[target], profile[target])
    facts = split_facts(rows, policy=policy, target=target, kind=kind, time_column=time_column)
    standard = standard_rules(
        features=[column["name"] for column in columns if column["role"] == "feature"], target=target,
        time_column=time_column, key=key, target_kind=kind, by_time=policy.kind == "time",
    )  # fmt: skip
    circumstances = Circumstances(now=now, key=[key], previous_rows=previous_rows, splits=facts)
    results = check(rows, together(standard, contract), circumstances, progress)
    results += leaks(
        rows, columns=columns, splits=facts, target_kind=kind, policy=policy.kind, time_column=time_column
    )  # fmt: skip
    results += golden_in_training(rows, columns=columns, splits=facts, time_column=time_column, golden=golden)
    ends = profile.get(time_column, {})
    return Description(
        saved=saved, columns=columns, time_column=time_column, target=target, target_kind=kind, key=key,
        starts_at=datetime.fromisoformat(ends["min"]) if "min" in ends else None,
        ends_at=datetime.fromisoformat(ends["max"]) if "max" in ends else None,
        policy=policy, splits=facts, profile=profile, results=results, source=source,
    )  # fmt: skip
