"""Summing feature histograms up to hours and days, and forgetting telemetry past its time; each safe to repeat.

A span is summed up once it has passed. Predictions that arrive later are added by the shipper to the five minutes and to
the sums alike, so each sum stays exact. Nothing is forgotten that is not part of a sum.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Trunc

from monitoring.counting.shipped import hold_features
from monitoring.drift.features import Cells, add_all
from monitoring.models import (
    FailedKey,
    FeatureHistogram,
    ShippedSegment,
    TelemetryHour,
    TelemetryWindow,
)

Span = FeatureHistogram.Span
WINDOWS_KEPT = timedelta(hours=48)
HOURS_KEPT = timedelta(days=100)
KEYS_KEPT = timedelta(days=100)
SUMS = ((Span.FIVE_MINUTES, Span.HOUR, "hour"), (Span.HOUR, Span.DAY, "day"))
FEATURES_KEPT = {
    Span.FIVE_MINUTES: timedelta(days=7),
    Span.HOUR: timedelta(days=90),
    Span.DAY: timedelta(days=3 * 366),
}
SETTLED = timedelta(minutes=10)  # what is shipped later costs a write to the sum


def sum_up(*, now: datetime) -> int:
    """Sum up the hours, then the days, that have passed and are not; return how many."""
    return sum(
        _sum(*period, short=short, long=long)
        for short, long, unit in SUMS
        for period in _unsummed(short, long, unit, until=now - SETTLED)
    )


def _unsummed(short: int, long: int, unit: str, *, until: datetime) -> list[tuple[int, str, datetime]]:
    """Return the longer spans that ended by ``until`` and are not summed up, oldest first: version, arm and start."""
    passed = until - timedelta(seconds=long)
    due = _with_sum(short, long, unit).filter(started_at__lt=until, of__lte=passed, summed=False)
    return list(due.values_list("version", "arm", "of").distinct().order_by("of", "version", "arm"))


@transaction.atomic
def _sum(version_id: int, arm: str, started_at: datetime, *, short: int, long: int) -> bool:
    hold_features()
    of = FeatureHistogram.objects.filter(version_id=version_id, arm=arm)
    within = {"started_at__gte": started_at, "started_at__lt": started_at + timedelta(seconds=long)}
    if of.filter(span=long, started_at=started_at).exists():
        return False
    if long == Span.DAY:  # what came in since the hours were summed up
        missed = _with_sum(*SUMS[0]).filter(version_id=version_id, arm=arm, summed=False, **within)
        for hour in set(missed.values_list("of", flat=True)):
            _sum(version_id, arm, hour, short=Span.FIVE_MINUTES, long=Span.HOUR)
    parts = list(of.filter(span=short, **within))
    FeatureHistogram.objects.create(
        version_id=version_id, arm=arm, span=long, started_at=started_at, rows=sum(part.rows for part in parts),
        cells=add_all(Cells.unpack(bytes(part.cells)) for part in parts).pack(),
    )  # fmt: skip
    return True


@transaction.atomic
def purge(*, now: datetime) -> None:
    """Forget windows, hours, histograms and keys past their time, and all shipped segments but the last of each spool."""
    TelemetryWindow.objects.filter(started_at__lt=now - WINDOWS_KEPT).delete()
    TelemetryHour.objects.filter(started_at__lt=now - HOURS_KEPT).delete()
    FailedKey.objects.filter(failed_at__lt=now - KEYS_KEPT).delete()
    for short, long, unit in SUMS:
        old = _with_sum(short, long, unit).filter(started_at__lt=now - FEATURES_KEPT[short], summed=True)
        FeatureHistogram.objects.filter(pk__in=old.values("pk")).delete()
    FeatureHistogram.objects.filter(span=Span.DAY, started_at__lt=now - FEATURES_KEPT[Span.DAY]).delete()
    later = ShippedSegment.objects.filter(spool_id=OuterRef("spool_id"), number__gt=OuterRef("number"))
    ShippedSegment.objects.filter(Exists(later), shipped_at__lt=now - WINDOWS_KEPT).delete()


def _with_sum(short: int, long: int, unit: str) -> QuerySet[Any]:
    """Return the histograms of the shorter span: ``of`` which longer span each is, and whether that is ``summed`` up."""
    same = {name: OuterRef(name) for name in ("version", "arm")}
    sums = FeatureHistogram.objects.filter(span=long, started_at=OuterRef("of"), **same)
    periods = FeatureHistogram.objects.filter(span=short).annotate(of=Trunc("started_at", unit, tzinfo=UTC))
    return periods.annotate(summed=Exists(sums))
