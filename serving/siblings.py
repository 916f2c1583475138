"""The numbers of all workers of one gateway, so that whichever is scraped tells them all.

Each place of the supervisor has a file, which the process in it replaces twice a second. A process begins with what the one before it
in the same place left there: what was counted never vanishes. It also writes the file before it tells anybody, so no scrape
ever shows less than the one before.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from serving.exposition import text
from serving.metrics import Counts, Gauges

logger = logging.getLogger("serving")

SUFFIX = ".numbers"
PUBLISH_EVERY_S = 0.5
GONE_S = 5.0  # a process that published nothing for so long holds nothing any more


class Seat(NamedTuple):
    """The place of one worker among those of its gateway."""

    folder: Path  # where they share files
    number: int  # from 0


class Numbers(msgspec.Struct):
    """What the process in one place tells the others."""

    at: float  # seconds since the epoch
    counts: Counts  # of all processes that were in the place
    gauges: Gauges


class Siblings:
    """This process among the workers of its gateway; ``publish`` and ``text`` may be called from any thread."""

    def __init__(self, take: Callable[[], tuple[Counts, Gauges]], seat: Seat | None = None) -> None:
        """Begin with what was counted in the place before.

        Args:
            take: returns the process's own numbers.
            seat: None for a process that is alone.
        """
        self._take = take
        self._path = seat.folder / f"{seat.number}{SUFFIX}" if seat else None
        before = _read(self._path) if self._path else None
        self._before = before.counts if before else Counts()
        self._lock = threading.Lock()
        self._published_at = 0.0

    def publish_if_due(self) -> None:
        """Publish what was counted unless that was done just now; called often."""
        if self._path and time.monotonic() - self._published_at >= PUBLISH_EVERY_S:
            self.publish()

    def publish(self) -> Numbers:
        """Write this process's numbers down for the others, and return them."""
        with self._lock:
            counts, gauges = self._take()
            numbers = Numbers(time.time(), Counts.total([self._before, counts]), gauges)
            self._published_at = time.monotonic()
            if self._path:
                partial = self._path.with_suffix(".partial")
                try:
                    partial.write_bytes(msgspec.msgpack.encode(numbers))
                    partial.replace(self._path)
                except OSError as error:  # numbers are worth less than serving
                    logger.warning("the numbers of this process cannot be told to the others: %s", error)
        return numbers

    def text(self) -> bytes:
        """Return the numbers of all, in Prometheus' text format."""
        own = self.publish()
        others = [told for path in self._theirs() if (told := _read(path))]
        alive = [told.gauges for told in others if own.at - told.at < GONE_S]
        return text(Counts.total([own.counts, *(told.counts for told in others)]), [own.gauges, *alive])

    def _theirs(self) -> list[Path]:
        return [path for path in self._path.parent.glob(f"*{SUFFIX}") if path != self._path] if self._path else []


def _read(path: Path) -> Numbers | None:
    """Return what the process in a place told last; None where none did yet."""
    with contextlib.suppress(FileNotFoundError):
        return msgspec.msgpack.decode(path.read_bytes(), type=Numbers)
    return None
