"""What a data set version is held to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from experiments.contracts.checking import Circumstances, check
from experiments.contracts.document import Contract
from experiments.contracts.results import CheckResult, broken, failures_first
from experiments.contracts.rules import Rule
from experiments.contracts.sources import rows_in
from experiments.contracts.standard import standard_rules, together
from experiments.models import DatasetVersion
from experiments.rows.leakage import leaks

MOST_CELLS = 30_000_000  # that a person waits for


def rules_for(version: DatasetVersion, contract: Contract | None) -> list[Rule]:
    """Return the rules of a contract with the standard ones."""
    standard = standard_rules(
        features=version.features(), target=version.target, time_column=version.time_column, key=version.key,
        target_kind=version.target_kind, by_time=version.split_kind == "time",
    )  # fmt: skip
    return together(standard, contract.rules if contract else [])


def circumstances_of(version: DatasetVersion, *, now: datetime) -> Circumstances:
    """Return what is known of a version beside its rows."""
    return Circumstances(
        now=now, key=[version.key], previous_rows=version.parent.rows if version.parent else None, splits=version.splits
    )


def leaks_of(version: DatasetVersion) -> list[CheckResult]:
    """Return whether what a version holds out was seen in training.

    Raises:
        FileNotFoundError: the rows are not there.
    """
    return leaks(
        rows_in(version.parquet), columns=version.columns, splits=version.splits, target_kind=version.target_kind,
        policy=version.split_kind, time_column=version.time_column,
    )  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What a contract would find of a version.

    Attributes:
        rows: that were looked at; fewer than the version has where it is large.
    """

    rows: int
    rules: int
    failures: list[CheckResult]

    @property
    def broken(self) -> int:
        """How many blocking rules do not hold."""
        return len(broken(self.failures))


def trial(version: DatasetVersion, contract: Contract | None, *, now: datetime) -> Trial:
    """Hold a version to a contract at once, for a person who waits: a large one by as many of its first rows as that allows.

    Raises:
        FileNotFoundError: the rows are not there.
    """
    rows = rows_in(version.parquet)
    most = max(MOST_CELLS // max(len(rows.types), 1), 1)

    def first(columns: list[str]) -> Iterator[pl.DataFrame]:
        left = most
        for batch in rows.batches(columns):
            yield batch.head(left)
            left -= batch.height
            if left <= 0:
                return

    rules = rules_for(version, contract)
    results = check(replace(rows, batches=first), rules, circumstances_of(version, now=now))
    return Trial(min(rows.count, most), len(results), failures_first(r for r in results if not r.passed))
