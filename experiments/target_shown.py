"""Splits and targets as pages print them, whatever the target is. Pure."""

from dataclasses import dataclass, field
from typing import Any

from experiments.models import DatasetVersion
from experiments.rows.splitting import SplitPolicy, by_time


@dataclass(frozen=True)
class SplitShown:
    """One split.

    Attributes:
        share: of positives; None where the target is not yes or no.
        counts: (value, rows, share) of a target that is a grade or a word, as many as are kept.
        mean, low, high: of a target that is a number.
    """

    name: str
    rows: int
    start: str = ""
    until: str = ""
    positives: int | None = None
    share: float | None = None
    counts: list[tuple[str, int, float]] = field(default_factory=list)
    others: int = 0  # rows of words that are not among the counts
    mean: float | None = None
    low: float | None = None
    high: float | None = None


def split_shown(name: str, facts: dict[str, Any]) -> SplitShown:
    """Return a split with what is known of its target, from the facts that a version keeps."""
    rows = facts["rows"]
    counts = [(value, count, count / rows) for value, count in facts.get("counts", {}).items()] if rows else []
    exact = "column" not in facts
    return SplitShown(
        name=name.replace("_", " "), rows=rows,
        start=facts.get("from", "") if exact else facts.get("from", "")[:10],
        until=facts.get("until", "") if exact else facts.get("until", "")[:10],
        positives=facts.get("positives"), share=facts["positives"] / rows if rows and "positives" in facts else None,
        counts=counts, others=rows - sum(count for _, count, _ in counts) if counts else 0,
        mean=facts.get("mean"), low=facts.get("min"), high=facts.get("max"),
    )  # fmt: skip


def policy_words(version: DatasetVersion) -> str:
    """Return how the rows of a version were split, as people say it."""
    return policy_words_of(version.split_policy) if version.split_policy else by_time(version.time_column, {}).words


def policy_words_of(kept: dict[str, Any]) -> str:
    """Return the same of a policy that a version or a source keeps."""
    return SplitPolicy(**kept).words
