"""Metrics with 95% intervals, read off the sums of :mod:`monitoring.quality.sums`. Pure arithmetic.

Names and definitions are those of ``experiments.metrics``, so that what is measured live can be held against what was measured
before an approval.
"""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments import metrics
from experiments.metrics import Z_95, Interval, Ranked, Reliability, wilson_interval
from experiments.suites import ALERT_SHARE
from monitoring.quality.sums import ALL, NO, YES, Floats, Ints, Kind, Sums, middles

LEAST = 30  # labelled predictions; with fewer, chance is all there is
LEAST_EVENTS = 5  # of either outcome, where the two are told apart
RESAMPLES = 300
SEED = 20130101
CALIBRATION_BINS = 15
KEPT = 128  # rankings whose metrics are kept in memory, 16 kB each


@dataclass(frozen=True)
class Metric:
    """A metric that labels can tell.

    Attributes:
        counts_events: whether it is a share of events, so that a promise may count good and bad ones.
    """

    label: str
    higher_is_better: bool
    counts_events: bool = False


@dataclass(frozen=True)
class Measured:
    """A metric of some predictions.

    Attributes:
        value, low, high: with its 95% interval; None where labels do not tell, and ``reason`` says why.
        good, total: events, where the metric counts them.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    good: int | None = None
    total: int | None = None
    reason: str = ""


BY_KIND: dict[Kind, dict[str, Metric]] = {
    Kind.PROBABILITY: {
        "average_precision": Metric("Average precision", True),
        "roc_auc": Metric("Area under the ROC curve", True),
        "recall_at_5pct_alerts": Metric("Recall at 5% alerts", True),
        "precision_at_5pct_alerts": Metric("Precision at 5% alerts", True),
        "brier_score": Metric("Brier score", False),
        "calibration_error": Metric("Calibration error", False),
        "accuracy": Metric("Right decisions", True, True),
        "precision": Metric("Precision at the threshold", True, True),
        "recall": Metric("Recall at the threshold", True, True),
    },
    Kind.NUMBER: {
        "mean_absolute_error": Metric("Mean absolute error", False),
        "root_mean_squared_error": Metric("Root mean squared error", False),
        "weighted_absolute_percentage_error": Metric("Weighted absolute percentage error", False),
        "within_tolerance": Metric("Within the tolerance", True, True),
    },
    Kind.CATEGORY: {"accuracy": Metric("Right answers", True, True)},
    Kind.RANKING: {
        "ndcg_at_10": Metric("NDCG at 10", True),
        "precision_at_10": Metric("Precision at 10", True),
    },
}


METRICS = {name: metric for found in BY_KIND.values() for name, metric in found.items()}


def measure(kind: Kind, sums: Sums, *, only: str = "") -> dict[str, Measured]:
    """Return every metric of a kind by name, or only one; the same sums give the same intervals."""
    if sums.labelled < LEAST:
        said = f"{sums.labelled} of {sums.predictions} labelled; {LEAST} are the least"
        reason = said if sums.predictions else "no predictions"
        return {name: _none(name, sums, reason) for name in BY_KIND[kind]}
    return _MEASURES[kind](sums, {only} if only else BY_KIND[kind].keys())


def _none(name: str, sums: Sums, reason: str) -> Measured:
    good, total = events_of(name, sums) or (None, None)
    return Measured(good=good, total=total, reason=reason)


def events_of(name: str, sums: Sums) -> tuple[int, int] | None:
    """Return (good, all) events of a metric that counts them; None of another, or where nothing is said to be right."""
    if name in ("accuracy", "within_tolerance"):
        return None if sums.right is None else (sums.right, sums.labelled)
    if name in ("precision", "recall"):
        return int(sums.sums.get("hits", 0)), int(sums.sums.get("alarms" if name == "precision" else "events", 0))
    return None


def _share(name: str, sums: Sums) -> Measured:
    events = events_of(name, sums)
    if events is None:
        return Measured(reason="the policy names no tolerance")
    if not events[1]:
        return Measured(good=0, total=0, reason="nothing was flagged" if name == "precision" else "nothing happened")
    return Measured(*wilson_interval(*events), *events)


def _probability(sums: Sums, wanted: Set[str]) -> dict[str, Measured]:
    no, yes = sums.bins(NO), sums.bins(YES)
    found = {name: _share(name, sums) for name in ("accuracy", "precision", "recall")}
    found["brier_score"] = Measured(*_mean(sums.labelled, sums.sums["squares"], sums.sums["quads"]))
    rare = min(int(no.sum()), int(yes.sum()))
    if rare < LEAST_EVENTS:
        said = Measured(reason=f"{rare} of the rarer outcome; {LEAST_EVENTS} are the least")
        found |= {name: said for name in wanted if name not in found}
    elif rankings := wanted - found.keys():
        found |= ranking_metrics(no, yes, rankings)
    return {name: found[name] for name in BY_KIND[Kind.PROBABILITY] if name in wanted}


def _number(sums: Sums, wanted: Set[str]) -> dict[str, Measured]:
    n, of = sums.labelled, sums.sums
    value, low, high = (math.sqrt(end) for end in _mean(n, of["squares"], of["quads"]))
    return {
        "mean_absolute_error": Measured(*_mean(n, of["absolute"], of["squares"])),
        "root_mean_squared_error": Measured(value, low, high),
        "weighted_absolute_percentage_error": _ratio(n, of),
        "within_tolerance": _share("within_tolerance", sums),
    }  # fmt: skip


def _ratio(n: int, of: Mapping[str, float]) -> Measured:
    """Return the sum of absolute errors over that of the labels' sizes, with its interval by the delta method."""
    if not of["size"]:
        return Measured(reason="every label is 0")
    ratio = of["absolute"] / of["size"]
    spread = max(
        0.0, of["squares"] - 2 * ratio * of["cross"] + ratio**2 * of["size_squares"]
    )  # of error - ratio * size
    half = Z_95 * math.sqrt(spread) / of["size"] * math.sqrt(n / (n - 1))
    return Measured(ratio, max(0.0, ratio - half), ratio + half)


def _mean(n: int, total: float, squares: float) -> Interval:
    """Return a mean with its normal interval, from the sum of values and that of their squares; none is below 0."""
    mean = total / n
    half = Z_95 * math.sqrt(max(0.0, squares / n - mean**2) / (n - 1))
    return Interval(mean, max(0.0, mean - half), mean + half)


def _ranking(sums: Sums, wanted: Set[str]) -> dict[str, Measured]:
    n, of = sums.labelled, sums.sums
    found = {
        "ndcg_at_10": _mean(n, of["gain"], of["gain_squares"]),
        "precision_at_10": _mean(n, of["top"], of["top_squares"]),
    }
    return {name: Measured(m.value, m.low, min(1.0, m.high)) for name, m in found.items()}


def _category(sums: Sums, wanted: Set[str]) -> dict[str, Measured]:
    return {"accuracy": _share("accuracy", sums)}


_MEASURES: dict[Kind, Callable[[Sums, Set[str]], dict[str, Measured]]] = {
    Kind.PROBABILITY: _probability, Kind.NUMBER: _number, Kind.CATEGORY: _category, Kind.RANKING: _ranking,
}  # fmt: skip


@dataclass(frozen=True)
class Binned:
    """Outcomes by bin of score as rows that can be weighted: of each bin in use one row that did not happen and one that did.

    Attributes:
        labels, scores: (2b,) of the rows; the weights of :mod:`experiments.metrics` then are counts.
        rows: they by falling score.
        used: (b,) the bins in use, rising.
    """

    labels: Ints
    scores: Floats
    rows: Ranked
    used: Ints

    @classmethod
    def of(cls, used: Ints) -> "Binned":
        """Return the rows of these bins."""
        labels = np.repeat(np.array([0, 1]), len(used))
        scores = np.tile(middles()[used], 2)
        return cls(labels, scores, metrics.ranked(labels, scores), used)

    def weights(self, no: npt.NDArray[Any], yes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the counts of the rows; expected ones may be fractions."""
        return np.concatenate([no[self.used], yes[self.used]])

    def reliability(self, weights: Ints) -> Reliability:
        """Return bins of equal mass of the weighted rows, as :func:`experiments.metrics.reliability` does of rows."""
        order = np.argsort(self.scores, kind="stable")
        rising = self.scores[order]
        mass = np.cumsum(weights[order])
        firsts = np.searchsorted(mass, np.arange(CALIBRATION_BINS) * mass[-1] // CALIBRATION_BINS, "right")
        return Reliability(order, np.unique(np.searchsorted(rising, rising[firsts], "left")))


Statistics = dict[str, Callable[[Ints | None], float]]


def by_rank(binned: Binned) -> Statistics:
    """Return the metrics that only ask who ranks above whom, each a function of the rows' counts."""
    return {
        "average_precision": partial(metrics.average_precision, binned.rows),
        "recall_at_5pct_alerts": partial(metrics.recall_at, binned.rows, ALERT_SHARE),
        "precision_at_5pct_alerts": partial(metrics.precision_at, binned.rows, ALERT_SHARE),
    }


def statistics(binned: Binned, reliability: Reliability) -> Statistics:
    """Return the metrics of a ranking of probabilities, each a function of the rows' counts."""
    error = partial(metrics.calibration_error, binned.labels, binned.scores, reliability)
    return by_rank(binned) | {"calibration_error": error}


def ranking_metrics(no: Ints, yes: Ints, wanted: Set[str]) -> dict[str, Measured]:
    """Return the metrics of how probabilities rank, and whether they hold, from outcomes by bin.

    Intervals: percentiles of ``RESAMPLES`` resamples of the predictions (Efron and Tibshirani 1993, ch. 13); of the area under the ROC
    curve DeLong's (1988). Those asked for last are kept: pages ask for the same ones again until a label comes.
    """
    return dict(_ranking_metrics(no.astype(np.int64).tobytes(), yes.astype(np.int64).tobytes(), frozenset(wanted)))


@lru_cache(KEPT)
def _ranking_metrics(no_bytes: bytes, yes_bytes: bytes, wanted: frozenset[str]) -> Mapping[str, Measured]:
    no, yes = np.frombuffer(no_bytes, np.int64), np.frombuffer(yes_bytes, np.int64)
    binned = Binned.of(np.flatnonzero(no + yes))
    weights = binned.weights(no, yes)
    of = {name: s for name, s in statistics(binned, binned.reliability(weights)).items() if name in wanted}
    times = RESAMPLES if of else 0  # the area's interval needs none
    drawn = np.random.default_rng(SEED).multinomial(int(weights.sum()), weights / weights.sum(), times)
    found = {"roc_auc": Measured(*area(no, yes))} if "roc_auc" in wanted else {}
    for name, statistic in of.items():
        value = statistic(weights)
        low, high = np.nanquantile([statistic(counts) for counts in drawn], [0.025, 0.975])
        # Resampling adds noise to every bin, which shifts the calibration error upwards.
        found[name] = Measured(value, min(float(low), value), max(float(high), value))
    return found


def area(no: Ints, yes: Ints) -> Interval:
    """Return the area under the ROC curve with DeLong's 95% interval, from outcomes by bin, rising.

    Outcomes of one bin count as equal. Source: as :func:`experiments.metrics.roc_auc`.
    """
    m, n = int(yes.sum()), int(no.sum())
    beaten = (np.cumsum(no) - no / 2) / n  # share of those that did not happen below each that did
    beating = 1 - (np.cumsum(yes) - yes / 2) / m
    value = float((yes * beaten).sum() / m)
    spread = (yes * (beaten - value) ** 2).sum() / (m - 1) / m + (no * (beating - value) ** 2).sum() / (n - 1) / n
    half = Z_95 * math.sqrt(float(spread))
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


@dataclass(frozen=True)
class Band:
    """Predictions with scores in [low, high), and how many of them have a label."""

    low: float
    high: float
    predictions: int
    labelled: int

    @property
    def coverage(self) -> Interval:
        """The labelled share with its interval."""
        return wilson_interval(self.labelled, self.predictions)


BANDS = 5
UNEVEN = 0.8  # of the best covered band's share; a worse covered one then surely has less than that


def coverage_by_score(sums: Sums) -> list[Band]:
    """Return who has labels, by score: up to ``BANDS`` bands of about equally many predictions, lowest scores first."""
    made, told = sums.bins(ALL), sums.bins(NO) + sums.bins(YES)
    if not made.sum():
        return []
    mass = np.cumsum(made)
    inner = np.searchsorted(mass, mass[-1] * np.arange(1, BANDS) // BANDS, "right")
    edges = np.unique(np.concatenate([[0], inner, [len(made)]]))
    found = (
        Band(a / len(made), b / len(made), int(made[a:b].sum()), int(told[a:b].sum()))
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    )
    return [band for band in found if band.predictions]


def is_uneven(bands: Sequence[Band]) -> bool:
    """Whether labels are surely scarcer for some scores than for others, so that labelled predictions are not like all of them."""
    if len(bands) < 2:
        return False
    best = max((band.coverage for band in bands), key=lambda share: share.value)
    return any(band.coverage.high < UNEVEN * best.low for band in bands)
