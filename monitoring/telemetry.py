"""Counts and histograms of predictions: integers that add up, and what can be read off them. Pure arithmetic."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import reduce
from operator import add
from typing import NamedTuple

from serving.contract import LATENCY_EDGES_US, PredictionRecord

WINDOW_SECONDS = 10
LATENCY_BINS = len(LATENCY_EDGES_US) + 1  # the last one is open
SCORE_BINS = 20  # equal steps from 0 to 1


@dataclass(frozen=True)
class Counts:
    """What happened to some requests.

    A pinned request (its caller chose the version) and a caller's fault (4xx) are counted apart and enter nothing
    else, so that nobody can sway a verdict by asking for it. ``sum(latency) == requests - errors`` always holds.

    Attributes:
        requests: routed requests that were answered, or that failed by our fault.
        errors: those among them that failed (5xx).
        first_failures: those among them whose key had not failed before in this version and arm. One caller who retries for
            an hour is one failure, so that these are independent of each other; the others are not.
        caller_faults: requests refused as the caller's fault (4xx).
        pinned: requests whose caller named the version or forced the arm.
        rows: predictions made; a request may ask for many.
        latency: answered requests by latency; bin i holds those up to ``LATENCY_EDGES_US[i]``, the last one the rest.
        scores: predictions by score, in steps of 0.05; empty of those without a score between 0 and 1.
    """

    requests: int = 0
    errors: int = 0
    first_failures: int = 0
    caller_faults: int = 0
    pinned: int = 0
    rows: int = 0
    latency: tuple[int, ...] = (0,) * LATENCY_BINS
    scores: tuple[int, ...] = (0,) * SCORE_BINS


COUNTED = tuple(f.name for f in fields(Counts))


def merge(a: Counts, b: Counts) -> Counts:
    """Return the counts of both taken together."""
    return Counts(
        requests=a.requests + b.requests,
        errors=a.errors + b.errors,
        first_failures=a.first_failures + b.first_failures,
        caller_faults=a.caller_faults + b.caller_faults,
        pinned=a.pinned + b.pinned,
        rows=a.rows + b.rows,
        latency=tuple(map(add, a.latency, b.latency)),
        scores=tuple(map(add, a.scores, b.scores)),
    )


def merge_all(counts: Iterable[Counts]) -> Counts:
    """Return all counts taken together."""
    return reduce(merge, counts, Counts())


class WindowKey(NamedTuple):
    """What is counted together: one version in one arm at one weight, for ten seconds."""

    table_version: int
    model_id: int
    number: int
    arm: str
    weight_bp: int
    started_at: datetime


def span_start(at: float, seconds: int) -> datetime:
    """Return the start of the span of so many seconds that holds the instant ``at`` (seconds since the epoch)."""
    return datetime.fromtimestamp(at // seconds * seconds, UTC)


def latency_bin(latency_us: int) -> int:
    """Return the histogram bin of a latency; an upper edge belongs to the bin below it."""
    return bisect_left(LATENCY_EDGES_US, latency_us)


def score_bin(score: float) -> int:
    """Return the histogram bin of a score in [0, 1]."""
    return min(int(score * SCORE_BINS), SCORE_BINS - 1)


def score_of(outputs: dict[str, float | int | str]) -> float | None:
    """Return the score of a prediction: its first output that is a fraction; None if it has none."""
    for value in outputs.values():
        if isinstance(value, float) and 0 <= value <= 1:
            return value
    return None


@dataclass
class _Tally:
    """A :class:`Counts` under construction."""

    requests: int = 0
    errors: int = 0
    caller_faults: int = 0
    pinned: int = 0
    rows: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * LATENCY_BINS)
    scores: list[int] = field(default_factory=lambda: [0] * SCORE_BINS)

    def add(self, record: PredictionRecord) -> None:
        """Count one record; the first row of a request stands for the request."""
        first = record.row == 0
        if record.pinned:
            self.pinned += first
        elif 400 <= record.status < 500:
            self.caller_faults += first
        elif record.status >= 500:
            self.requests += first
            self.errors += first
        else:
            self.rows += 1
            if first:
                self.requests += 1
                self.latency[latency_bin(record.latency_us)] += 1
            score = score_of(record.outputs)
            if score is not None:
                self.scores[score_bin(score)] += 1

    def counts(self) -> Counts:
        """Return what was counted so far."""
        return Counts(
            self.requests, self.errors, 0, self.caller_faults, self.pinned, self.rows,
            tuple(self.latency), tuple(self.scores),
        )  # fmt: skip


def tally(records: Iterable[PredictionRecord]) -> dict[WindowKey, Counts]:
    """Count ``records`` by window; which failures are first ones only the earlier records could tell."""
    tallies: dict[tuple[int, int, int, str, int, float], _Tally] = {}
    for r in records:
        key = (r.table_version, r.model_id, r.number, r.arm, r.weight_bp, r.at // WINDOW_SECONDS)
        if key not in tallies:
            tallies[key] = _Tally()
        tallies[key].add(r)
    return {
        WindowKey(*key[:5], span_start(key[5] * WINDOW_SECONDS, WINDOW_SECONDS)): t.counts()
        for key, t in tallies.items()
    }


def window_of(record: PredictionRecord) -> WindowKey:
    """Return the window that counts ``record``."""
    of = (record.table_version, record.model_id, record.number, record.arm, record.weight_bp)
    return WindowKey(*of, span_start(record.at, WINDOW_SECONDS))


def failures(records: Iterable[PredictionRecord]) -> list[PredictionRecord]:
    """Return the first failure of each key in each version and arm among ``records``, as counted in ``errors``."""
    found: dict[tuple[int, int, str, int], PredictionRecord] = {}
    for r in records:
        if r.status >= 500 and not r.pinned and r.row == 0:
            key = (r.model_id, r.number, r.arm, r.key_hash)
            if key not in found or r.at < found[key].at:
                found[key] = r
    return list(found.values())


def quantile(histogram: Sequence[int], q: float) -> float | None:
    """Return the ``q`` quantile of a latency histogram in microseconds, linear within its bin.

    The true quantile lies in the same bin. In the open last bin nothing is known but its lower edge, which is returned.

    Args:
        histogram: requests by latency, as in :class:`Counts`.
        q: share of the requests at or below the answer, in (0, 1].

    Returns: None without data.
    Raises: ValueError if an argument is out of range.
    """
    if not 0 < q <= 1 or len(histogram) != LATENCY_BINS:
        raise ValueError(f"{q=} bins={len(histogram)}")
    total = sum(histogram)
    if not total:
        return None
    rank = q * total
    below = 0
    for i, count in enumerate(histogram[:-1]):
        if count and below + count >= rank:
            low = LATENCY_EDGES_US[i - 1] if i else 0
            return low + (LATENCY_EDGES_US[i] - low) * (rank - below) / count
        below += count
    return float(LATENCY_EDGES_US[-1])


def slower_than(histogram: Sequence[int], threshold_us: float) -> float:
    """Return how many of a latency histogram took longer than a threshold: exact at a bin's edge.

    Within a bin latencies count as evenly spread, so in between it is an estimate; the error is below the bin's count. Nothing is
    known of how far the open last bin reaches, so beyond its lower edge all of it counts.
    """
    slower = 0.0
    low = 0
    for high, count in zip(LATENCY_EDGES_US, histogram, strict=False):
        slower += count * min(max((high - threshold_us) / (high - low), 0.0), 1.0)
        low = high
    return slower + histogram[-1]


def scored_above(histogram: Sequence[int], bound: float) -> float:
    """Return how many of a score histogram lie above a bound: exact at a bin's edge, within a bin in proportion (an estimate)."""
    place = min(max(bound, 0.0), 1.0) * SCORE_BINS
    whole = int(place)
    above = float(sum(histogram[whole + 1 :]))
    return above + histogram[whole] * (whole + 1 - place) if whole < SCORE_BINS else 0.0
