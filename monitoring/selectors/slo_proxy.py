"""What stands in for labels until they are due: never part of a budget."""

from datetime import datetime, timedelta

from monitoring.models import Slo
from monitoring.quality_points import QualityPoint
from monitoring.selectors.quality import estimated_series
from registry.errors import InvalidError


def quality_proxy(slo: Slo, *, now: datetime) -> list[QualityPoint]:
    """Return what the metric probably is in the spans whose labels are not due yet, newest first; empty without an estimate."""
    span = timedelta(seconds=slo.slice_s or 0)
    since = now - timedelta(seconds=slo.maturity_s or 0) - span
    try:
        points = estimated_series(slo.model, metric=slo.metric, since=since, until=now, span=span, now=now)
    except InvalidError:
        return []
    return [point for point in reversed(points) if point.value is not None]
