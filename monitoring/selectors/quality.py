"""How good predictions were, by when they were made, as far as labels tell by now."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from monitoring.models.quality import QualityPolicy, QualityReference, QualityWindow, Span
from monitoring.quality.metrics import BY_KIND, Measured, measure
from monitoring.quality.points import QualityPoint
from monitoring.quality.sums import Kind, Sums, add_all
from monitoring.selectors.quality_policy import quality_policy_of
from monitoring.selectors.quality_reference import estimated_of
from registry.errors import InvalidError
from registry.models import ModelVersion, RegisteredModel
from serving.contract import SHADOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOT_ESTIMATED = Measured(reason="no reference to estimate from")


def quality_metrics(model: RegisteredModel) -> list[str]:
    """Return the metrics that a model's labels support, the most telling first."""
    policy = quality_policy_of(model)
    names = list(BY_KIND[policy.compares])
    return [name for name in names if name != "within_tolerance" or policy.tolerance is not None]


def quality_series(
    model: RegisteredModel, *, metric: str, since: datetime, until: datetime, span: timedelta,
    version: ModelVersion | None = None, arm: str | None = None, slice_: str | None = None, now: datetime | None = None,
) -> list[QualityPoint]:  # fmt: skip
    """Return a metric span by span, in order of time; spans without predictions are left out.

    Args:
        metric: one of :func:`quality_metrics`.
        since, until: spans that began in [since, until), the first one from its own start on.
        span: whole hours, or whole days; counted from the epoch, UTC.
        version: of all that answered callers if None.
        arm: all but shadow copies if None.
        slice_: such as ``origin=JFK``; all predictions if None.

    Raises:
        InvalidError: the metric is none of the model's, or the span is not of whole hours.
    """
    policy = quality_policy_of(model)
    _check_metric(model, policy, metric)
    buckets = windows_by_span(policy, since=since, until=until, span=span, version=version, arm=arm, slice_=slice_)
    now = now or timezone.now()
    return [point_of(policy, at, span, rows, metric, now) for at, rows in sorted(buckets.items())]


def _check_metric(model: RegisteredModel, policy: QualityPolicy, metric: str) -> None:
    if metric not in BY_KIND[policy.compares]:
        known = ", ".join(quality_metrics(model))
        raise InvalidError(f"metric must be one of {known}, not {metric!r}.", field="metric")


def windows_by_span(
    policy: QualityPolicy, *, since: datetime, until: datetime, span: timedelta, version: ModelVersion | None = None,
    arm: str | None = None, slice_: str | None = None,
) -> dict[datetime, list[QualityWindow]]:  # fmt: skip
    """Return the windows that make up each span; histograms are fetched once they are asked for."""
    if span < HOUR or span % HOUR:
        raise InvalidError("span must be whole hours: quality is counted by the hour.", field="span")
    rows = QualityWindow.objects.filter(
        version__model=policy.model_id, kind=policy.compares, data_slice=slice_ or "",
        span=Span.HOUR if span % DAY else Span.DAY, started_at__gte=start_of(since, span), started_at__lt=until,
    )  # fmt: skip
    rows = rows.filter(arm=arm) if arm else rows.exclude(arm=SHADOW)
    rows = rows.filter(version=version) if version else rows
    buckets: dict[datetime, list[QualityWindow]] = {}
    for row in rows.defer("cells").select_related("version").order_by("started_at", "version", "arm"):
        buckets.setdefault(start_of(row.started_at, span), []).append(row)
    return buckets


def start_of(at: datetime, span: timedelta) -> datetime:
    """Return the start of the span that holds an instant."""
    seconds = span.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def sums_of(rows: Iterable[QualityWindow]) -> Sums:
    """Return windows taken together; histograms that were left out at first are fetched, in one query."""
    rows = list(rows)
    if any("cells" in row.get_deferred_fields() for row in rows):
        rows = list(QualityWindow.objects.filter(pk__in=[row.pk for row in rows]).defer("measured", "estimated"))
    return add_all(row.read() for row in rows)


def point_of(
    policy: QualityPolicy, at: datetime, span: timedelta, rows: list[QualityWindow], metric: str, now: datetime
) -> QualityPoint:
    """Return the metric of the windows of one span; of a single one it was computed when it was counted."""
    found = _stored(rows[0], metric) if len(rows) == 1 else measured_of(policy.compares, rows, metric)
    return QualityPoint(
        at, found.value, found.low, found.high, sum(row.labelled for row in rows), sum(row.predictions for row in rows),
        found.good, found.total, provisional=at + span + policy.maturity > now, reason=found.reason,
    )  # fmt: skip


def measured_of(kind: Kind, rows: Iterable[QualityWindow], metric: str) -> Measured:
    """Return a metric of windows taken together."""
    return measure(kind, sums_of(rows), only=metric)[metric]


def _stored(row: QualityWindow, metric: str) -> Measured:
    fields: Any = row.measured.get(metric)
    return Measured(*fields) if fields else Measured(reason="not counted")


def estimated_series(
    model: RegisteredModel, *, metric: str, since: datetime, until: datetime, span: timedelta,
    version: ModelVersion | None = None, now: datetime | None = None,
) -> list[QualityPoint]:  # fmt: skip
    """Return what a metric probably is, span by span, before labels are there: a proxy, ``estimated=True`` in each point.

    It cannot see concept drift: where the same inputs come to mean another outcome, it stays where it was.

    Args: as :func:`quality_series`. Raises: the same.
    """
    policy = quality_policy_of(model)
    _check_metric(model, policy, metric)
    found = windows_by_span(policy, since=since, until=until, span=span, version=version)
    now = now or timezone.now()
    return [estimate_of(policy, at, span, rows, metric, now) for at, rows in sorted(found.items())]


def estimate_of(
    policy: QualityPolicy, at: datetime, span: timedelta, rows: list[QualityWindow], metric: str, now: datetime
) -> QualityPoint:
    """Return what the metric of the windows of one span probably is."""
    of = {row.version_id for row in rows}
    if len(rows) == 1:
        found = _read(rows[0].estimated, metric)
    elif len(of) == 1:
        reference = QualityReference.objects.select_related("version").filter(version__in=of).first()
        found = estimated_of(reference, sums_of(rows), policy).get(metric, NOT_ESTIMATED)
    else:
        found = Measured(reason="several versions answered; ask for one")
    return QualityPoint(
        at, found.value, found.low, found.high, sum(row.labelled for row in rows), sum(row.predictions for row in rows),
        None, None, provisional=at + span + policy.maturity > now, reason=found.reason, estimated=True,
    )  # fmt: skip


def _read(fields: dict[str, Any], metric: str) -> Measured:
    return Measured(*fields[metric]) if metric in fields else NOT_ESTIMATED
