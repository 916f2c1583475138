"""Numbers for a scraper: hand-kept integers, by model, version and arm. Of this process; ``serving.siblings`` adds those of others."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

import msgspec

from serving.contract import LATENCY_EDGES_US

Labels = tuple[str, int, str]  # model, version, arm


class Counters(msgspec.Struct):
    """What happened to the requests of one arm."""

    bins: list[int] = msgspec.field(default_factory=lambda: [0] * (len(LATENCY_EDGES_US) + 1))
    statuses: dict[int, int] = {}
    sum_us: int = 0

    def add(self, other: "Counters") -> None:
        """Count what ``other`` counted too."""
        self.bins = [one + two for one, two in zip(self.bins, other.bins, strict=True)]
        self.statuses = dict(Counter(self.statuses) + Counter(other.statuses))
        self.sum_us += other.sum_us


class Counts(msgspec.Struct):
    """All that only grows."""

    arms: list[tuple[Labels, Counters]] = []
    shadows: list[tuple[Labels, int]] = []  # model, version, outcome
    refused: dict[str, int] = {}  # requests that never reached a model, by reason
    dropped: int = 0  # records that a full spool did not keep

    @classmethod
    def total(cls, parts: Iterable["Counts"]) -> "Counts":
        """Return the sum of ``parts``."""
        arms: dict[Labels, Counters] = {}
        shadows: Counter[Labels] = Counter()
        refused: Counter[str] = Counter()
        dropped = 0
        for part in parts:
            for labels, counters in part.arms:
                arms.setdefault(labels, Counters()).add(counters)
            shadows.update(dict(part.shadows))
            refused.update(part.refused)
            dropped += part.dropped
        return cls(sorted(arms.items()), sorted(shadows.items()), dict(refused), dropped)


class Gauges(msgspec.Struct):
    """What is so at one moment."""

    in_flight: int
    spool_bytes: int
    spool_limit_bytes: int
    table_version: int
    table_age_s: float | None
    confirmed_age_s: float | None
    callers_version: int
    loaded: list[tuple[str, int]]  # model, version
    cold_versions: int
    memory_bytes: int
    memory_limit_bytes: int
    memory_excess: bool
    refused_versions: int


class Metrics:
    """The counters of arms in this process; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[Labels, Counters] = {}
        self._shadows: Counter[Labels] = Counter()

    def observe(self, labels: Labels, status: int, latency_us: int) -> None:
        """Count one request."""
        with self._lock:
            counters = self._counters.get(labels)
            if counters is None:
                counters = self._counters[labels] = Counters()
            counters.bins[bisect_left(LATENCY_EDGES_US, latency_us)] += 1
            counters.sum_us += latency_us
            counters.statuses[status] = counters.statuses.get(status, 0) + 1

    def observe_shadow(self, labels: Labels) -> None:
        """Count a request that a shadow version answered, failed or was not asked."""
        with self._lock:
            self._shadows[labels] += 1

    def counts(self, refused: dict[str, int] | None = None, dropped: int = 0) -> Counts:
        """Return what was counted so far, with what others count; nothing changes it any more."""
        with self._lock:
            return Counts.total(
                [Counts(list(self._counters.items()), list(self._shadows.items()), refused or {}, dropped)]
            )
