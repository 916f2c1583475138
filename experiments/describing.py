"""All that is kept of rows beside the rows: columns, splits, profile, and which rules they hold. No ORM, clock or settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from experiments.contracts.checking import Circumstances, check
from experiments.contracts.results import CheckResult, brief
from experiments.contracts.rules import Rule
from experiments.contracts.sources import rows_of
from experiments.contracts.standard import standard_rules, together
from experiments.frames import SavedFrame
from experiments.profile import profile_of, split_facts


@dataclass(frozen=True)
class Description:
    """All that is kept of the rows of a data set version, beside the rows."""

    saved: SavedFrame
    columns: list[dict[str, str]]
    time_column: str
    target: str
    key: str
    starts_at: datetime
    ends_at: datetime
    splits: dict[str, dict[str, Any]]
    profile: dict[str, dict[str, Any]]
    results: list[CheckResult]
    source: str

    @property
    def checks(self) -> list[dict[str, Any]]:
        """What the version keeps of the results."""
        return brief(self.results)


def describe_rows(
    frame: pd.DataFrame, saved: SavedFrame, *, columns: list[dict[str, str]], time_column: str, target: str, key: str,
    splits: dict[str, tuple[str, str]], source: str, now: datetime, contract: Sequence[Rule] = (),
    previous_rows: int | None = None, progress: Callable[[float], None] = lambda share: None,
) -> Description:  # fmt: skip
    """Return the description of rows that were saved.

    Args:
        columns: [{name, type, role, meaning}], in order.
        splits: half-open intervals of the time column, as ISO instants or days, UTC.
        now: what freshness is reckoned from.
        contract: the rules that they are held to, beside the standard ones.
        previous_rows: of the version before.
    """
    facts = split_facts(frame, splits=splits, time_column=time_column, target=target)
    features = [column["name"] for column in columns if column["role"] == "feature"]
    standard = standard_rules(features=features, target=target, time_column=time_column, key=key)
    circumstances = Circumstances(now=now, key=[key], previous_rows=previous_rows, splits=facts)
    rows = rows_of(pa.Table.from_pandas(frame, preserve_index=False))
    times = frame[time_column]
    return Description(
        saved=saved, columns=columns, time_column=time_column, target=target, key=key,
        starts_at=times.min().to_pydatetime(), ends_at=times.max().to_pydatetime(), splits=facts,
        profile=profile_of(frame), results=check(rows, together(standard, contract), circumstances, progress),
        source=source,
    )  # fmt: skip
