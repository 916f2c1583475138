"""The numbers of a gateway in Prometheus' text format."""

from collections.abc import Iterable, Iterator

from serving.contract import LATENCY_EDGES_US
from serving.metrics import Counts, Gauges, Labels

AUTH = ("missing", "unknown", "expired")
LIMITS = ("rate", "in_flight")


def text(counts: Counts, processes: list[Gauges]) -> bytes:
    """Return what all processes counted, and what is so in those that live."""
    return "".join((*of_counts(counts), *_gauges(processes))).encode()


def of_counts(counts: Counts) -> Iterator[str]:
    """Yield the lines of what only grows."""
    arms = [(_arm(labels), counters) for labels, counters in counts.arms]
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
         for (model, number, outcome), count in counts.shadows),
    )  # fmt: skip
    yield from _family(
        "gateway_auth_failures_total", "counter", "Requests answered 401, by what was wrong with the token.",
        ((_label("reason", reason), counts.refused.get(reason, 0)) for reason in AUTH),
    )  # fmt: skip
    yield from _family(
        "gateway_limited_total", "counter", "Requests answered 429, by the limit that the caller reached.",
        ((_label("limit", limit), counts.refused.get(limit, 0)) for limit in LIMITS),
    )  # fmt: skip
    yield from _family(
        "gateway_records_dropped_total", "counter", "Records that a full spool did not keep.", [("", counts.dropped)]
    )


def _gauges(processes: list[Gauges]) -> Iterator[str]:
    """Say of several processes what they hold together, and where they differ, how far the last of them is."""
    holders: dict[tuple[str, int], int] = {}
    for process in processes:
        for version in process.loaded:
            holders[version] = holders.get(version, 0) + 1
    yield from _family(
        "gateway_loaded_version", "gauge", "Processes that hold a version in memory.",
        ((f"{_label('model', model)},{_label('version', str(number))}", held)
         for (model, number), held in sorted(holders.items())),
    )  # fmt: skip
    for name, meaning, value in (
        ("processes", "Processes that live and are counted here.", len(processes)),
        ("in_flight_requests", "Predictions that are being answered.", sum(p.in_flight for p in processes)),
        ("spool_bytes", "Bytes of records that wait on this disk, of all processes.", max(p.spool_bytes for p in processes)),
        ("spool_limit_bytes", "Bytes that may wait there.", processes[0].spool_limit_bytes),
        ("table_version", "Version of the routing table in force; 0 before the first.", min(p.table_version for p in processes)),
        ("table_age_seconds", "Time since that table was published.", _longest(p.table_age_s for p in processes)),
        ("table_confirmed_seconds", "Time since the control plane stood by the table.", _longest(p.confirmed_age_s for p in processes)),
        ("callers_version", "Version of the list of callers in force; 0 before the first.", min(p.callers_version for p in processes)),
        ("cold_versions", "Versions that are loaded when they are asked for.", max(p.cold_versions for p in processes)),
        ("model_memory_bytes", "Bytes that the versions in memory take, as measured.", sum(p.memory_bytes for p in processes)),
        ("model_memory_limit_bytes", "Bytes that they may take; 0: any number.", sum(p.memory_limit_bytes for p in processes)),
        ("model_memory_exceeded", "1 while what has to stay in memory takes more.", int(any(p.memory_excess for p in processes))),
        ("refused_versions", "Versions that are not loaded because they are not sound.", max(p.refused_versions for p in processes)),
    ):  # fmt: skip
        yield from _family(f"gateway_{name}", "gauge", meaning, [] if value is None else [("", value)])


def _longest(ages: Iterable[float | None]) -> float | None:
    return max((age for age in ages if age is not None), default=None)


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
