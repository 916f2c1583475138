"""Shipping: sealed segments go into the lake and, counted, into PostgreSQL; each record exactly once in both.

Both sides remember the last segment of each spool that they hold: the lake in the commit that added it, PostgreSQL in
the transaction that added its counts. A segment's file goes only after both, so a shipper that is killed anywhere is
followed by one that sees which side lacks what. Segments of one spool are numbered and shipped in order.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef

from monitoring import lake
from monitoring.lake import Segment
from monitoring.models import ShippedSegment, TelemetryHour, TelemetryWindow
from monitoring.telemetry import COUNTED, Counts, WindowKey, merge, tally
from registry.models import ModelVersion
from serving.contract import SEALED, read_segment, sealed_segments

logger = logging.getLogger(__name__)

ADVISORY_LOCK = 0x5348_4950  # "SHIP": one shipper at a time
BATCH_BYTES = 32 * 1024 * 1024
WINDOWS_KEPT = timedelta(hours=48)
HOURS_KEPT = timedelta(days=100)

Key = tuple[Any, ...]  # values of the fields that tell rows apart, named below
Row = TypeVar("Row", TelemetryWindow, TelemetryHour)
WINDOW_KEY = ("version_id", "started_at", "arm", "table_version", "weight_bp")
HOUR_KEY = ("version_id", "started_at", "arm")


@dataclass(frozen=True)
class Shipped:
    """What one run did."""

    segments: int = 0
    records: int = 0


def ship() -> Shipped:
    """Ship the segments that are sealed now; does nothing where another shipper is at it.

    Safe to interrupt anywhere and to repeat.
    """
    with _alone() as alone:
        if not alone:
            return Shipped()
        segments = records = 0
        for paths in _batches(sealed_segments(Path(settings.SPOOL_ROOT))):
            batch = [segment for path in paths if (segment := _read(path))]
            lake.append(batch)
            _count(batch)
            for segment in batch:
                segment.path.unlink(missing_ok=True)
            segments += len(batch)
            records += sum(len(segment.records) for segment in batch)
        return Shipped(segments, records)


@transaction.atomic
def purge(*, now: datetime) -> None:
    """Forget windows and hours past their time, and all shipped segments but the last of each spool."""
    TelemetryWindow.objects.filter(started_at__lt=now - WINDOWS_KEPT).delete()
    TelemetryHour.objects.filter(started_at__lt=now - HOURS_KEPT).delete()
    later = ShippedSegment.objects.filter(spool_id=OuterRef("spool_id"), number__gt=OuterRef("number"))
    ShippedSegment.objects.filter(Exists(later), shipped_at__lt=now - WINDOWS_KEPT).delete()


@contextmanager
def _alone() -> Iterator[bool]:
    """Hold the shippers' lock; yields False where another has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
        (held,) = cursor.fetchone()
    try:
        yield held
    finally:
        if held and connection.connection and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _batches(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Part the segments into batches that fit in memory, in order within each spool."""
    batch: list[Path] = []
    size = 0
    for path in sorted(paths, key=lambda p: (p.parent.name, _number(p))):
        size += path.stat().st_size
        if batch and size > BATCH_BYTES:
            yield batch
            batch, size = [], path.stat().st_size
        batch.append(path)
    if batch:
        yield batch


def _read(path: Path) -> Segment | None:
    """Return the segment; one that cannot be read is put aside under another name, so that it holds up no other."""
    try:
        return Segment(path.parent.name, _number(path), path, list(read_segment(path)))
    except msgspec.DecodeError:
        aside = path.with_suffix(".unreadable")
        path.rename(aside)
        logger.exception("segment %s cannot be read; kept as %s", path, aside.name)
        return None


def _number(path: Path) -> int:
    return int(path.name.removesuffix(SEALED))


@transaction.atomic
def _count(batch: list[Segment]) -> None:
    """Add the counts of the segments that are not counted yet.

    Raises:
        IntegrityError: another shipper, which lost its lock unawares, has counted one of them meanwhile.
    """
    spools = {segment.spool_id for segment in batch}
    counted = dict(
        ShippedSegment.objects.filter(spool_id__in=spools).values_list("spool_id").annotate(last=Max("number"))
    )
    new = [segment for segment in batch if segment.number > counted.get(segment.spool_id, -1)]
    ShippedSegment.objects.bulk_create(
        ShippedSegment(spool_id=s.spool_id, number=s.number, records=len(s.records)) for s in new
    )
    windows: dict[Key, Counts] = {}
    hours: dict[Key, Counts] = {}
    for key, counts in _known(tally(record for segment in new for record in segment.records)):
        windows[key] = counts
        version_id, started_at, arm = key[:3]
        hour = (version_id, started_at.replace(minute=0, second=0), arm)
        hours[hour] = merge(hours.get(hour, Counts()), counts)
    _add(TelemetryWindow, WINDOW_KEY, windows)
    _add(TelemetryHour, HOUR_KEY, hours)


def _known(windows: dict[WindowKey, Counts]) -> Iterator[tuple[Key, Counts]]:
    """Yield the windows of versions that the registry knows, keyed as their rows are."""
    versions = {
        (model_id, number): pk
        for pk, model_id, number in ModelVersion.objects.filter(model_id__in={key.model_id for key in windows})
        .values_list("pk", "model_id", "number")
    }  # fmt: skip
    for key, counts in windows.items():
        version_id = versions.get((key.model_id, key.number))
        if version_id is None:
            logger.warning(
                "model %s has no version %s: its predictions are in the lake alone", key.model_id, key.number
            )
        else:
            yield (version_id, key.started_at, key.arm, key.table_version, key.weight_bp), counts


def _add(table: type[Row], names: tuple[str, ...], added: dict[Key, Counts]) -> None:
    """Add counts to the rows with these keys, creating those that are missing."""
    near = table.objects.select_for_update().filter(
        version_id__in={key[0] for key in added}, started_at__in={key[1] for key in added}
    )
    rows = {tuple(getattr(row, name) for name in names): row for row in near}
    table.objects.bulk_update(
        [rows[key].set_counts(merge(rows[key].counts(), counts)) for key, counts in added.items() if key in rows],
        COUNTED,
    )
    table.objects.bulk_create(
        table(**dict(zip(names, key, strict=True))).set_counts(counts)
        for key, counts in added.items()
        if key not in rows
    )
