"""Quality of a version in one span of **prediction** time, as late labels tell it. What a selector returns; no arithmetic here."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class QualityPoint:
    """One metric of one version in one span.

    Attributes:
        at: the span's start, when predictions were made.
        value, low, high: the metric with its 95% interval; None where it cannot be computed.
        labelled: predictions with a label, as now known.
        predictions: all predictions of the span.
        good, total: events, where the metric counts them (a right answer is good); None where it does not.
        provisional: labels may still come: the maturity lag has not passed for the whole span.
        reason: why there is no value; empty where there is one.
        estimated: computed without labels, from what the version's reference promised; it cannot see concept drift.
    """

    at: datetime
    value: float | None
    low: float | None
    high: float | None
    labelled: int
    predictions: int
    good: int | None
    total: int | None
    provisional: bool
    reason: str = ""
    estimated: bool = False

    @property
    def coverage(self) -> float | None:
        """Share of the predictions that have a label; None without predictions."""
        return self.labelled / self.predictions if self.predictions else None
