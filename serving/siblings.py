"""What all workers of one gateway tell of themselves, so that whichever is asked tells it of all.

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
from typing import Any, NamedTuple

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
    status: dict[str, Any] = {}  # as the process tells it at /status


class Siblings:
    """This process among the workers of its gateway; ``publish``, ``text`` and ``others`` may be called from any thread."""

    def __init__(
        self, take: Callable[[], tuple[Counts, Gauges]], seat: Seat | None = None, *,
        describe: Callable[[], dict[str, Any]] = dict,
    ) -> None:  # fmt: skip
        """Begin with what was counted in the place before.

        Args:
            take: returns the process's own numbers.
            describe: returns what the process says of itself at /status.
            seat: None for a process that is alone.
        """
        self._take = take
        self._describe = describe
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
            status = self._describe() if self._path else {}
            numbers = Numbers(time.time(), Counts.total([self._before, counts]), gauges, status)
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
        others = self._told()
        alive = [told.gauges for told in others if own.at - told.at < GONE_S]
        return text(Counts.total([own.counts, *(told.counts for told in others)]), [own.gauges, *alive])

    def others(self) -> list[dict[str, Any]]:
        """Return what the other workers that live said of themselves last, each with how long ago that was."""
        now = time.time()
        return [
            {**told.status, "told_s_ago": round(now - told.at, 1)} for told in self._told() if now - told.at < GONE_S
        ]  # fmt: skip

    def _told(self) -> list[Numbers]:
        if not self._path:
            return []
        theirs = (path for path in sorted(self._path.parent.glob(f"*{SUFFIX}")) if path != self._path)
        return [told for path in theirs if (told := _read(path))]


def _read(path: Path) -> Numbers | None:
    """Return what the process in a place told last; None where none did yet."""
    with contextlib.suppress(FileNotFoundError):
        return msgspec.msgpack.decode(path.read_bytes(), type=Numbers)
    return None
