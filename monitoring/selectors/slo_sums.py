"""Sums of what was counted for objectives: by step and by look-back, each in one query however many objectives there are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from monitoring.models import Slo, SloCount, SloSpan
from monitoring.slo.burn import BurnRule, LookBack, Seen
from monitoring.slo.tally import SPAN_S
from monitoring.slo.windows import Window, midnight
from serving.contract import SHADOW

DAY_S = 86_400


@dataclass(frozen=True)
class Unit:
    """An event count or one time slice that was judged: ``bad`` of ``total``, from ``at`` on.

    ``failed`` are the failed requests within what is bad; None where no request fails by itself.
    """

    at: datetime
    bad: int
    total: int
    failed: int | None = None


# What the budget of each objective consists of: rows as they were counted, or whole slices that have ended, each good or bad.
UNITS = """
WITH w AS (
    SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::float8[], %s::text[], %s::text[], %s::timestamptz[])
    AS w(slo_id, since, slice_s, target, zone, step, until)
), units AS (
    SELECT c.slo_id, w.step, w.zone, c.started_at AS at, 300 AS length_s, c.bad, c.total, c.bad AS failed
    FROM w JOIN monitoring_slocount c ON c.slo_id = w.slo_id AND c.started_at >= w.since AND c.started_at < w.until
    WHERE w.slice_s IS NULL AND c.arm <> 'shadow' AND c.total > 0
    UNION ALL
    SELECT s.slo_id, s.step, s.zone, s.at, s.slice_s, s.missed::int, 1, CASE WHEN s.missed THEN s.bad ELSE 0 END
    FROM (SELECT *, total - bad < target::numeric * total AS missed FROM (
        SELECT w.slo_id, w.step, w.zone, w.slice_s, w.target, sum(c.bad) AS bad, sum(c.total) AS total,
            CASE WHEN w.slice_s = 86400 THEN date_trunc('day', c.started_at, w.zone)
                 ELSE date_bin(make_interval(secs => w.slice_s), c.started_at, 'epoch'::timestamptz) END AS at
        FROM w JOIN monitoring_slocount c ON c.slo_id = w.slo_id AND c.started_at >= w.since AND c.started_at < w.until
        WHERE w.slice_s IS NOT NULL AND c.arm <> 'shadow'
        GROUP BY w.slo_id, w.step, w.zone, w.slice_s, w.target, 8
    ) slices WHERE total > 0) s
)
"""
BY_STEP = "SELECT slo_id, date_trunc(step, at, zone), sum(bad), sum(total) FROM units GROUP BY 1, 2 ORDER BY 1, 2"
BY_LOOK_BACK = """
SELECT u.slo_id, l.name, l.width, sum(u.bad), sum(u.total), sum(u.failed)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) AS l(slo_id, name, width, since)
JOIN units u ON u.slo_id = l.slo_id AND u.at > l.since - make_interval(secs => u.length_s) GROUP BY 1, 2, 3
"""
WIDTHS = ("long", "middle", "short")


class StatedSpan(NamedTuple):
    """What was stated of one span, see :class:`monitoring.models.SloSpan`; a window holds thousands."""

    slo_id: int
    started_at: datetime
    state: str
    bad: int
    total: int
    value: float | None
    labelled: int
    predictions: int
    why: str


Spans = dict[int, list[StatedSpan]]


def spans_of(slos: Iterable[Slo], windows: dict[int, Window]) -> Spans:
    """Return what was stated of each objective on quality within its window, oldest first."""
    asked = [slo.pk for slo in slos if slo.kind == Slo.Kind.QUALITY]
    found: Spans = {pk: [] for pk in asked}
    if asked:
        earliest = min(windows[pk].start for pk in asked)
        rows = SloSpan.objects.filter(slo__in=asked, started_at__gte=earliest).order_by("started_at")
        for span in map(StatedSpan._make, rows.values_list(*StatedSpan._fields)):
            if span.started_at >= windows[span.slo_id].start:
                found[span.slo_id].append(span)
    return found


def steps_of(slos: Sequence[Slo], windows: dict[int, Window], *, now: datetime) -> dict[int, dict[datetime, Unit]]:
    """Return the sums of each objective's window by its hours or days; of those that are counted request by request."""
    asked = [slo for slo in slos if slo.kind not in (Slo.Kind.QUALITY, Slo.Kind.COST)]
    found: dict[int, dict[datetime, Unit]] = {slo.pk: {} for slo in asked}
    if not asked:
        return found
    since = {slo.pk: windows[slo.pk].start for slo in asked}
    for slo_id, at, bad, total in _rows(UNITS + BY_STEP, _asked(asked, windows, since, now=now)):
        found[slo_id][at] = Unit(at, int(bad), int(total))
    return found


LookBacks = dict[int, dict[str, Seen]]


def look_backs_of(
    slos: Sequence[Slo], windows: dict[int, Window], rules: dict[int, list[BurnRule]], *, now: datetime
) -> LookBacks:
    """Return what the look-backs of each rule of each objective hold.

    A look-back begins with the first five minutes, or the slice, that it touches. Where slices are longer than that, it reaches
    back from the end of the last whole one.
    """
    asked = [slo for slo in slos if slo.kind not in (Slo.Kind.QUALITY, Slo.Kind.COST)]
    if not asked:
        return {}
    looks = [(slo.pk, rule.name, width, ended(slo, now) - getattr(rule, width))
             for slo in asked for rule in rules[slo.pk] for width in WIDTHS]  # fmt: skip
    since = {
        slo.pk: ended(slo, now) - max(rule.long for rule in rules[slo.pk]) - timedelta(seconds=length_of(slo))
        for slo in asked
    }
    args = [*_asked(asked, windows, since, now=now), *(list(column) for column in zip(*looks, strict=True))]
    held: dict[tuple[int, str], dict[str, LookBack]] = {}
    for slo_id, name, width, *sums in _rows(UNITS + BY_LOOK_BACK, args):
        held.setdefault((slo_id, name), {})[width] = LookBack(*(int(value) for value in sums))
    return {slo.pk: {rule.name: Seen(**held.get((slo.pk, rule.name), {})) for rule in rules[slo.pk]} for slo in asked}


def length_of(slo: Slo) -> int:
    """Return the seconds of what an objective's budget consists of."""
    return slo.slice_s if slo.by_slices and slo.slice_s else SPAN_S


def ended(slo: Slo, now: datetime) -> datetime:
    """Return the end of the last whole slice; now itself where events are counted."""
    if not slo.by_slices:
        return now
    if slo.slice_s == DAY_S:
        zone = ZoneInfo(slo.time_zone)
        return midnight(now.astimezone(zone).date(), zone)
    return datetime.fromtimestamp(now.timestamp() // length_of(slo) * length_of(slo), UTC)


def _asked(
    slos: Sequence[Slo], windows: dict[int, Window], since: dict[int, datetime], *, now: datetime
) -> list[list[Any]]:
    """Return the columns of ``w``: one row for each objective."""
    rows = [
        (
            slo.pk, since[slo.pk], slo.slice_s if slo.by_slices else None, slo.slice_target,
            windows[slo.pk].zone, "hour" if windows[slo.pk].by_hour else "day",
            ended(slo, now) if slo.by_slices else now + timedelta(seconds=SPAN_S),
        )
        for slo in slos
    ]  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]


def _rows(sql: str, args: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return list(cursor.fetchall())


def by_slice_and_version(slos: Sequence[Slo], since: dict[int, datetime]) -> dict[int, list[SloCount]]:
    """Return what was counted for objectives on cost, five minutes and version apart, shadows too, oldest first."""
    found: dict[int, list[SloCount]] = {slo.pk: [] for slo in slos}
    if not found:
        return found
    rows = SloCount.objects.filter(slo__in=found, started_at__gte=min(since.values()))
    for row in rows.order_by("started_at"):
        if row.started_at >= since[row.slo_id]:
            found[row.slo_id].append(row)
    return found


def is_shadow(row: SloCount) -> bool:
    """Whether it was asked off the path."""
    return row.arm == SHADOW
