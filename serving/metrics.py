"""Numbers for a scraper: hand-kept integers, by model, version and arm, of this process alone."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serving.contract import LATENCY_EDGES_US

Labels = tuple[str, int, str]  # model, version, arm


class Counters:
    """What happened to the requests of one arm."""

    __slots__ = ("bins", "statuses", "sum_us")

    def __init__(self) -> None:
        self.bins = [0] * (len(LATENCY_EDGES_US) + 1)
        self.statuses: dict[int, int] = {}
        self.sum_us = 0


@dataclass(frozen=True)
class Gauges:
    """What is so at the moment of a scrape, and what others count."""

    in_flight: int
    spool_bytes: int
    spool_limit_bytes: int
    dropped: int
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
    refused: dict[str, int]  # requests that never reached a model, by reason


class Metrics:
    """All counters of the process; safe to call from any thread."""

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

    def text(self) -> bytes:
        """Return the counters in Prometheus' text format."""
        with self._lock:
            return "".join(self._requests()).encode()

    def _requests(self) -> Iterator[str]:
        arms = [(_arm(labels), counters) for labels, counters in sorted(self._counters.items())]
        yield from _family(
            "gateway_requests_total", "counter", "Requests for a model that is served, by HTTP status.",
            ((f'{labels},status="{status}"', count) for labels, c in arms for status, count in sorted(c.statuses.items())),
        )  # fmt: skip
        yield from _head("gateway_latency_seconds", "histogram", "Time from request to recorded answer.")
        for labels, counters in arms:
            below = 0
            for edge, count in zip((*LATENCY_EDGES_US, None), counters.bins, strict=True):
                below += count
                bound = "+Inf" if edge is None else f"{edge / 1e6:g}"
                yield _sample("gateway_latency_seconds_bucket", f'{labels},le="{bound}"', below)
            yield _sample("gateway_latency_seconds_sum", labels, round(counters.sum_us / 1e6, 6))
            yield _sample("gateway_latency_seconds_count", labels, below)
        yield from _family(
            "gateway_shadow_total", "counter", "Answered requests for a shadow version: answered, failed or dropped.",
            ((f"{_label('model', model)},{_label('version', str(number))},{_label('outcome', outcome)}", count)
             for (model, number, outcome), count in sorted(self._shadows.items())),
        )  # fmt: skip


AUTH = ("missing", "unknown", "expired")
LIMITS = ("rate", "in_flight")


def gauges_text(gauges: Gauges) -> bytes:
    """Return the gauges in Prometheus' text format."""
    return "".join(_gauges(gauges)).encode()


def _gauges(now: Gauges) -> Iterator[str]:
    yield from _family(
        "gateway_auth_failures_total", "counter", "Requests answered 401, by what was wrong with the token.",
        ((_label("reason", reason), now.refused.get(reason, 0)) for reason in AUTH),
    )  # fmt: skip
    yield from _family(
        "gateway_limited_total", "counter", "Requests answered 429, by the limit that the caller reached.",
        ((_label("limit", limit), now.refused.get(limit, 0)) for limit in LIMITS),
    )  # fmt: skip
    yield from _family(
        "gateway_loaded_version", "gauge", "1 for each version in memory.",
        ((f"{_label('model', model)},{_label('version', str(number))}", 1) for model, number in now.loaded),
    )  # fmt: skip
    for name, kind, meaning, value in (
        ("in_flight_requests", "gauge", "Predictions that are being answered.", now.in_flight),
        ("spool_bytes", "gauge", "Bytes of records that wait on this disk, of all processes.", now.spool_bytes),
        ("spool_limit_bytes", "gauge", "Bytes that may wait there.", now.spool_limit_bytes),
        ("records_dropped_total", "counter", "Records that a full spool did not keep.", now.dropped),
        ("table_version", "gauge", "Version of the routing table in force; 0 before the first.", now.table_version),
        ("table_age_seconds", "gauge", "Time since that table was published.", now.table_age_s),
        ("table_confirmed_seconds", "gauge", "Time since the control plane stood by the table.", now.confirmed_age_s),
        ("callers_version", "gauge", "Version of the list of callers in force; 0 before the first.", now.callers_version),
        ("cold_versions", "gauge", "Versions that are loaded when they are asked for.", now.cold_versions),
        ("model_memory_bytes", "gauge", "Bytes that the versions in memory take, as measured.", now.memory_bytes),
        ("model_memory_limit_bytes", "gauge", "Bytes that they may take; 0: any number.", now.memory_limit_bytes),
        ("model_memory_exceeded", "gauge", "1 while what has to stay in memory takes more.", int(now.memory_excess)),
        ("refused_versions", "gauge", "Versions that are not loaded because they are not sound.", now.refused_versions),
    ):  # fmt: skip
        yield from _family(f"gateway_{name}", kind, meaning, [] if value is None else [("", value)])


def _family(name: str, kind: str, meaning: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield from _head(name, kind, meaning)
    for labels, value in samples:
        yield _sample(name, labels, value)


def _head(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def _sample(name: str, labels: str, value: float) -> str:
    return f"{name}{{{labels}}} {value}\n" if labels else f"{name} {value}\n"


def _arm(labels: Labels) -> str:
    model, number, arm = labels
    return f"{_label('model', model)},{_label('version', str(number))},{_label('arm', arm)}"


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'
