"""Counters for a scraper: hand-kept integers, by model, version and arm, of this process alone."""

import threading
from bisect import bisect_left
from collections.abc import Iterator

from serving.contract import LATENCY_EDGES_US

Labels = tuple[str, int, str]  # model, version, arm


class Counters:
    """What happened to the requests of one arm."""

    __slots__ = ("bins", "caller_faults", "errors", "sum_us")

    def __init__(self) -> None:
        self.bins = [0] * (len(LATENCY_EDGES_US) + 1)
        self.caller_faults = 0
        self.errors = 0
        self.sum_us = 0


class Metrics:
    """All counters of the process; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[Labels, Counters] = {}

    def observe(self, labels: Labels, status: int, latency_us: int) -> None:
        """Count one request."""
        with self._lock:
            counters = self._counters.get(labels)
            if counters is None:
                counters = self._counters[labels] = Counters()
            counters.bins[bisect_left(LATENCY_EDGES_US, latency_us)] += 1
            counters.sum_us += latency_us
            if status >= 500:
                counters.errors += 1
            elif status >= 400:
                counters.caller_faults += 1

    def text(self) -> bytes:
        """Return the counters in Prometheus' text format."""
        with self._lock:
            return "".join(self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        arms = [(_labels(labels), counters) for labels, counters in sorted(self._counters.items())]
        yield "# HELP gateway_requests_total Requests for a known model.\n# TYPE gateway_requests_total counter\n"
        for labels, counters in arms:
            yield f"gateway_requests_total{{{labels}}} {sum(counters.bins)}\n"
        yield "# HELP gateway_errors_total Requests that failed by our fault.\n# TYPE gateway_errors_total counter\n"
        for labels, counters in arms:
            yield f"gateway_errors_total{{{labels}}} {counters.errors}\n"
        yield "# HELP gateway_caller_faults_total Requests refused with 4xx.\n"
        yield "# TYPE gateway_caller_faults_total counter\n"
        for labels, counters in arms:
            yield f"gateway_caller_faults_total{{{labels}}} {counters.caller_faults}\n"
        yield "# HELP gateway_latency_seconds Time from request to recorded answer.\n"
        yield "# TYPE gateway_latency_seconds histogram\n"
        for labels, counters in arms:
            below = 0
            for edge, count in zip((*LATENCY_EDGES_US, None), counters.bins, strict=True):
                below += count
                bound = "+Inf" if edge is None else f"{edge / 1e6:g}"
                yield f'gateway_latency_seconds_bucket{{{labels},le="{bound}"}} {below}\n'
            yield f"gateway_latency_seconds_sum{{{labels}}} {counters.sum_us / 1e6:.6f}\n"
            yield f"gateway_latency_seconds_count{{{labels}}} {below}\n"


def _labels(labels: Labels) -> str:
    model, number, arm = labels
    return f'model="{_escaped(model)}",version="{number}",arm="{_escaped(arm)}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
