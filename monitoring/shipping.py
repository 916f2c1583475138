"""Shipping: sealed segments go into the lake and, counted, into PostgreSQL; each record exactly once in both.

Both sides remember the last segment of each spool that they hold: the lake in the commit that added it, PostgreSQL in
the transaction that added its counts. A segment's file goes only after both, so a shipper that is killed anywhere is
followed by one that sees which side lacks what. Segments of one spool are numbered and shipped in order.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from django.conf import settings

from monitoring.counting.shipped import count
from monitoring.counting.trials import expire_held
from monitoring.locks import alone_under
from monitoring.predictions import lake
from monitoring.predictions.lake import Segment
from serving.contract import SEALED, read_segment, sealed_segments

logger = logging.getLogger(__name__)

ADVISORY_LOCK = 0x5348_4950  # "SHIP": one shipper at a time
BATCH_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Shipped:
    """What one run did."""

    segments: int = 0
    records: int = 0


def ship() -> Shipped:
    """Ship the segments that are sealed now; does nothing where another shipper is at it.

    Safe to interrupt anywhere and to repeat.
    """
    with alone_under(ADVISORY_LOCK) as alone:
        if not alone:
            return Shipped()
        segments = records = 0
        for paths in _batches(sealed_segments(Path(settings.SPOOL_ROOT))):
            batch = [segment for path in paths if (segment := _read(path))]
            lake.append(batch)
            count(batch)
            for segment in batch:
                segment.path.unlink(missing_ok=True)
            segments += len(batch)
            records += sum(len(segment.records) for segment in batch)
        expire_held()
        return Shipped(segments, records)


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
