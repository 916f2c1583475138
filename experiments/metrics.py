"""How good a ranking of probabilities is. Pure arithmetic: arrays in, numbers out.

Throughout, ``labels`` is an array of n zeros and ones, ``scores`` the n probabilities given to them, and ``weights`` n
counts that say how often each row is taken (None: once each), which is how the bootstrap resamples. Rows with the same
score cannot be told apart, so they enter every curve as one step.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A value with the ends of its 95% interval, all in the unit of the value."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranked:
    """Rows from the highest score to the lowest, sorted once so that each resample costs two running sums.

    Attributes:
        order: (n,) positions of the rows, highest score first.
        labels: (n,) zeros and ones in that order.
        scores: (n,) probabilities in that order.
        ends: (g,) position of the last row of each run of equal scores.
    """

    order: Ints
    labels: Ints
    scores: Floats
    ends: Ints


class Steps(NamedTuple):
    """What is alerted and caught as the threshold falls past each distinct score; (g,) each, counts."""

    alerts: Floats
    caught: Floats


def ranked(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Ranked:
    """Return the rows sorted by falling score.

    Raises:
        ValueError: the arrays differ in length, a score is not a number, or the labels are not both 0 and 1.
    """
    truth, given = np.asarray(labels, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    if truth.shape != given.shape or truth.ndim != 1:
        raise ValueError(f"labels are {truth.shape} and scores {given.shape}; both must be (n,)")
    if not np.isfinite(given).all():
        raise ValueError("scores must be finite numbers")
    if set(np.unique(truth)) != {0, 1}:
        raise ValueError("labels must hold both 0 and 1, and nothing else")
    order = np.argsort(-given, kind="stable")
    fallen = given[order]
    ends = np.append(np.flatnonzero(np.diff(fallen)), len(fallen) - 1)
    return Ranked(order, truth[order], fallen, ends)


def steps(rows: Ranked, weights: Ints | None = None) -> Steps:
    """Return the running counts of alerts and of caught positives at each distinct score."""
    taken = np.ones_like(rows.labels) if weights is None else weights[rows.order]
    alerts = np.cumsum(taken)[rows.ends]
    caught = np.cumsum(taken * rows.labels)[rows.ends]
    return Steps(alerts.astype(np.float64), caught.astype(np.float64))


def average_precision(rows: Ranked, weights: Ints | None = None) -> float:
    """Return average precision (share, 0 to 1): the mean over positives of the precision at their score.

    Returns: NaN where a resample drew no positive.
    Source: as scikit-learn's ``average_precision_score``: no interpolation between thresholds.
    """
    alerts, caught = steps(rows, weights)
    if not caught[-1]:
        return float("nan")
    gained = np.diff(caught, prepend=0.0)
    hit = gained > 0
    return float(np.sum(gained[hit] * caught[hit] / alerts[hit]) / caught[-1])


def recall_at(rows: Ranked, share: float, weights: Ints | None = None) -> float:
    """Return the share of positives among the ``share`` of rows with the highest scores (share, 0 to 1).

    Where the limit falls among equal scores, the expectation over a random order of them is returned.

    Raises:
        ValueError: ``share`` is outside (0, 1].
    """
    alerts, caught = steps(rows, weights)
    return _caught_at(alerts, caught, share) / float(caught[-1]) if caught[-1] else float("nan")


def precision_at(rows: Ranked, share: float, weights: Ints | None = None) -> float:
    """Return the share of true alerts when the ``share`` of rows with the highest scores is alerted (share, 0 to 1).

    Raises:
        ValueError: ``share`` is outside (0, 1].
    """
    alerts, caught = steps(rows, weights)
    return _caught_at(alerts, caught, share) / (share * float(alerts[-1]))


def threshold_at(rows: Ranked, share: float) -> float:
    """Return the score at or above which a row is among the ``share`` of rows with the highest scores."""
    return float(rows.scores[max(0, int(np.ceil(share * len(rows.scores))) - 1)])


def roc_auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Interval:
    """Return the area under the ROC curve with DeLong's 95% interval (probability, 0 to 1).

    Raises:
        ValueError: there are fewer than two rows of either label.
    Source: DeLong et al. 1988; computed with mid-ranks as in Sun and Xu 2014, "Fast implementation of DeLong's algorithm".
    """
    truth, given = np.asarray(labels, dtype=bool), np.asarray(scores, dtype=np.float64)
    positives, negatives = given[truth], given[~truth]
    m, n = len(positives), len(negatives)
    if min(m, n) < 2:
        raise ValueError("the interval needs at least two rows of each label")
    among_all = midranks(np.concatenate([positives, negatives]))
    beaten = (among_all[:m] - midranks(positives)) / n  # share of negatives below each positive
    beating = 1 - (among_all[m:] - midranks(negatives)) / m  # share of positives above each negative
    area = float(beaten.mean())
    error = Z_95 * float(np.sqrt(beaten.var(ddof=1) / m + beating.var(ddof=1) / n))
    return Interval(area, max(0.0, area - error), min(1.0, area + error))


def midranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values share the mean of theirs. Shape (n,) as given."""
    distinct, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Floats = last - (counts - 1) / 2
    return middle[where] if len(distinct) else middle


def brier_score(labels: npt.ArrayLike, scores: npt.ArrayLike, weights: Ints | None = None) -> float:
    """Return the mean squared distance between probability and outcome (0 is perfect, 1 the worst)."""
    distance = np.asarray(scores, dtype=np.float64) - np.asarray(labels, dtype=np.float64)
    return float(np.average(distance**2, weights=weights))


@dataclass(frozen=True)
class Reliability:
    """Rows in bins of equal mass, lowest scores first.

    Attributes:
        order: (n,) positions of the rows, lowest score first.
        starts: (b,) position in that order of the first row of each bin.
    """

    order: Ints
    starts: Ints


def reliability(scores: npt.ArrayLike, *, bins: int = 15) -> Reliability:
    """Return ``bins`` bins of equally many rows; fewer where equal scores would be torn apart.

    Raises:
        ValueError: ``bins`` is below 1.
    """
    if bins < 1:
        raise ValueError(f"{bins=}")
    given = np.asarray(scores, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    edges = given[order][np.arange(bins) * len(given) // bins]
    return Reliability(order, np.unique(np.searchsorted(given[order], edges, "left")))


def calibration_error(
    labels: npt.ArrayLike, scores: npt.ArrayLike, bins: Reliability, weights: Ints | None = None
) -> float:
    """Return the expected calibration error: mean distance between probability and frequency over the bins (share).

    Source: Naeini et al. 2015, with bins of equal mass (Nixon et al. 2019), which leave no bin nearly empty.
    """
    gap = np.asarray(labels, dtype=np.float64) - np.asarray(scores, dtype=np.float64)
    taken = np.ones(len(gap)) if weights is None else weights
    sums = np.add.reduceat((gap * taken)[bins.order], bins.starts)
    return float(np.abs(sums).sum() / taken.sum())


def reliability_table(
    labels: npt.ArrayLike, scores: npt.ArrayLike, bins: Reliability
) -> list[tuple[float, float, int]]:
    """Return, for each bin, the mean probability, the frequency of positives and the number of rows."""
    truth = np.asarray(labels, dtype=np.float64)[bins.order]
    given = np.asarray(scores, dtype=np.float64)[bins.order]
    counts = np.diff(np.append(bins.starts, len(given)))
    means, rates = (np.add.reduceat(column, bins.starts) / counts for column in (given, truth))
    return [(float(p), float(r), int(n)) for p, r, n in zip(means, rates, counts, strict=True)]


def precision_recall_curve(rows: Ranked, *, points: int = 200) -> list[tuple[float, float]]:
    """Return up to ``points`` pairs (recall, precision), evenly spaced in recall."""
    alerts, caught = steps(rows)
    return _thin(caught / caught[-1], caught / alerts, points)


def roc_curve(rows: Ranked, *, points: int = 200) -> list[tuple[float, float]]:
    """Return up to ``points`` pairs (false positive rate, true positive rate), evenly spaced in the former."""
    alerts, caught = steps(rows)
    false = alerts - caught
    return _thin(false / false[-1], caught / caught[-1], points)


def wilson_interval(hits: int, total: int) -> Interval:
    """Return a proportion (share, 0 to 1) with Wilson's 95% score interval; hits and total are counts.

    Raises:
        ValueError: not 0 <= hits <= total, or total is 0.
    Source: Wilson 1927; Brown, Cai and DasGupta 2001 recommend it over the usual one.
    """
    if not (0 <= hits <= total and total):
        raise ValueError(f"{hits=} {total=}")
    share, z2 = hits / total, Z_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 / (1 + z2 / total) * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # A share of nothing or all is its own bound, which rounding would miss.
    return Interval(share, min(max(0.0, float(middle - half)), share), max(min(1.0, float(middle + half)), share))


def _caught_at(alerts: Floats, caught: Floats, share: float) -> float:
    if not 0 < share <= 1:
        raise ValueError(f"{share=}")
    return float(np.interp(share * alerts[-1], np.append(0.0, alerts), np.append(0.0, caught)))


def _thin(x: Floats, y: Floats, points: int) -> list[tuple[float, float]]:
    wanted = np.unique(np.searchsorted(x, np.linspace(0, 1, points)).clip(max=len(x) - 1))
    return [(round(float(x[i]), 5), round(float(y[i]), 5)) for i in wanted]
