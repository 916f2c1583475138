"""Counting for objectives: by the shipper, in the transaction that notes the segments, and once from what telemetry kept."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import connection

from monitoring.models import Slo, SloCount, TelemetryHour, TelemetryWindow
from monitoring.slo import arithmetic
from monitoring.slo.tally import SPAN_S, Counted, CountKey, Tally, plus, tally
from monitoring.telemetry import Counts, WindowKey, span_start
from registry.models import ModelVersion
from serving.contract import PredictionRecord

ADVISORY_LOCK = 0x534C_4F53  # "SLOS": who counts and who changes what is counted take turns
DETAIL_KEPT = timedelta(days=10)  # longer than the longest look-back of a burn rate
COUNTS_KEPT = timedelta(days=100)  # longer than the longest window
Versions = Mapping[tuple[int, int], int]  # primary key by model and number


def hold_counts() -> None:
    """Wait until nobody else counts for objectives or changes what they count; holds until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])


def count_slos(records: Iterable[PredictionRecord], windows: Mapping[WindowKey, Counts], versions: Versions) -> None:
    """Add what a batch says of the objectives of its models.

    Args:
        windows: the telemetry of the same records.
        versions: of the models that the registry knows.
    """
    hold_counts()
    slos = list(Slo.objects.filter(model__in={model for model, _ in versions}).exclude(kind=Slo.Kind.QUALITY))
    if not slos:
        return
    plain = [slo for slo in slos if slo.is_plain]
    others: dict[int, list[Counted]] = {}
    for slo in slos:
        if not slo.is_plain:
            others.setdefault(slo.model_id, []).append(counted(slo))
    found = tally(records, others) if others else {}
    for window, counts in windows.items():
        at = span_start(window.started_at.timestamp(), SPAN_S)
        for slo in plain:
            if slo.model_id == window.model_id:
                bad, total = arithmetic.bad_of_total(counts, slo.threshold_us)
                key = CountKey(slo.pk, window.model_id, window.number, window.arm, at)
                found[key] = plus(found.get(key, Tally()), Tally(total=total, bad=bad))
    add(
        ((key.slo_id, versions[key.model_id, key.number], key.arm, key.started_at), of)
        for key, of in found.items()
        if of != Tally()
    )


def counted(slo: Slo) -> Counted:
    """Return what is counted for an objective."""
    return Counted(
        slo.pk, slo.kind, slo.input_slice, slo.threshold_us, slo.column, slo.column_holds, float(slo.max_age_s or 0)
    )


Row = tuple[tuple[int, int, str, datetime], Tally]  # objective, version, arm, start


def add(rows: Iterable[Row]) -> None:
    """Add to the rows with these keys, creating those that are missing."""
    columns = list(zip(*((*key, *of) for key, of in sorted(rows)), strict=True))
    if not columns:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {SloCount._meta.db_table} AS held"  # noqa: S608
            " (slo_id, version_id, arm, started_at, total, bad, rows, busy_us) SELECT * FROM unnest("
            "%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
            " ON CONFLICT (slo_id, started_at, version_id, arm) DO UPDATE SET total = held.total + excluded.total,"
            " bad = held.bad + excluded.bad, rows = held.rows + excluded.rows, busy_us = held.busy_us + excluded.busy_us",
            [list(column) for column in columns],
        )


def count_anew(slo: Slo) -> None:
    """Count an objective from what telemetry kept of all requests, where that tells it; else it begins with nothing.

    To be called under :func:`hold_counts`, in the transaction that sets or changes it.
    """
    slo.counts.all().delete()
    slo.spans.all().delete()
    if not slo.is_plain:
        return
    found: dict[tuple[int, int, str, datetime], Tally] = {}
    of_model = ModelVersion.objects.filter(model=slo.model_id)
    windows = list(TelemetryWindow.objects.filter(version__in=of_model))
    oldest = min((row.started_at for row in windows), default=None)
    # The first hour of the windows may be cut off by their age: that one and those before are known by the hour.
    detailed = oldest and oldest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    hours = TelemetryHour.objects.filter(version__in=of_model)
    rows: list[TelemetryWindow | TelemetryHour] = [row for row in windows if detailed and row.started_at >= detailed]
    for row in [*rows, *(hours.filter(started_at__lt=detailed) if detailed else hours)]:
        bad, total = arithmetic.bad_of_total(row.counts(), slo.threshold_us)
        key = (slo.pk, row.version_id, row.arm, span_start(row.started_at.timestamp(), SPAN_S))
        found[key] = plus(found.get(key, Tally()), Tally(total=total, bad=bad))
    add((key, of) for key, of in found.items() if of != Tally())


JOIN_HOURS = """
WITH gone AS (
    DELETE FROM monitoring_slocount c USING monitoring_slo s
    WHERE s.id = c.slo_id AND c.started_at < %s AND c.started_at <> date_trunc('hour', c.started_at, 'UTC')
      AND (s.budgeting = 'occurrences' OR s.slice_s >= 3600)
      AND extract(minute FROM (c.started_at AT TIME ZONE s.time_zone) - (c.started_at AT TIME ZONE 'UTC')) = 0
    RETURNING c.*
)
INSERT INTO monitoring_slocount AS held (slo_id, version_id, arm, started_at, total, bad, rows, busy_us)
SELECT slo_id, version_id, arm, date_trunc('hour', started_at, 'UTC'), sum(total), sum(bad), sum(rows), sum(busy_us)
FROM gone GROUP BY 1, 2, 3, 4
ON CONFLICT (slo_id, started_at, version_id, arm) DO UPDATE SET total = held.total + excluded.total,
    bad = held.bad + excluded.bad, rows = held.rows + excluded.rows, busy_us = held.busy_us + excluded.busy_us
"""


def tidy_counts(*, now: datetime) -> None:
    """Join the rows of old hours, and forget what no window reaches any more; safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute(JOIN_HOURS, [now - DETAIL_KEPT])
    SloCount.objects.filter(started_at__lt=now - COUNTS_KEPT).delete()
