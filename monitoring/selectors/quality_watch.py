"""Whether a model's quality holds its limit, as far as labels that are due can tell."""

from dataclasses import dataclass
from datetime import datetime

from monitoring.models.quality import QualityPolicy
from monitoring.quality.metrics import METRICS, Measured
from monitoring.selectors.quality import HOUR, measured_of, start_of, windows_by_span
from registry.models import ModelVersion
from serving.contract import CHAMPION


@dataclass(frozen=True)
class Watched:
    """The watched metric of the champion's predictions whose labels are due.

    Attributes:
        breached: surely beyond the limit: the nearer end of the interval is; False: the value holds it; None: labels cannot tell.
        why: they cannot; empty where they can.
    """

    version: ModelVersion
    metric: str
    limit: float
    measured: Measured
    labelled: int
    predictions: int
    since: datetime
    until: datetime
    breached: bool | None
    why: str = ""


def quality_watched(policy: QualityPolicy, *, now: datetime) -> Watched | None:
    """Return how the watched metric stands; None where no metric is watched or nothing is champion."""
    champion = policy.model.aliases.filter(name=CHAMPION).select_related("version__model").first()
    if not policy.metric or policy.limit is None or champion is None:
        return None
    until = start_of(now - policy.maturity, HOUR)  # hours that ended so long ago
    since = until - policy.watched
    spans = windows_by_span(policy, since=since, until=until, span=HOUR, version=champion.version)
    rows = [row for of_hour in spans.values() for row in of_hour]
    labelled, predictions = sum(row.labelled for row in rows), sum(row.predictions for row in rows)
    measured = measured_of(policy.compares, rows, policy.metric) if rows else Measured(reason="no predictions")
    breached, why = _judged(policy, measured, labelled / predictions if predictions else 0.0)
    return Watched(
        champion.version, policy.metric, policy.limit, measured, labelled, predictions, since, until, breached, why
    )


def _judged(policy: QualityPolicy, measured: Measured, coverage: float) -> tuple[bool | None, str]:
    if measured.value is None or measured.low is None or measured.high is None:
        return None, measured.reason
    if coverage < policy.min_coverage:
        return None, f"{coverage:.0%} have a label; the policy asks for {policy.min_coverage:.0%}"
    assert policy.limit is not None  # noqa: S101  asked for by quality_watched
    higher = METRICS[policy.metric].higher_is_better
    nearer = measured.high < policy.limit if higher else measured.low > policy.limit
    if nearer:
        return True, ""
    holds = measured.value >= policy.limit if higher else measured.value <= policy.limit
    return (False, "") if holds else (None, "beyond the limit, but the interval still holds it")
