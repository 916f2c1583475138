"""How well scores find what they are to find. Pure arithmetic: arrays in, numbers out.

Throughout, ``labels`` is an array of n zeros and ones, ``scores`` the n numbers given to them (higher: more likely a one), and
``weights`` n counts that say how often each row is taken (None: once each), which is how the bootstrap resamples. Rows with
the same score cannot be told apart, so they enter every curve as one step.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from experiments.metrics.arrays import Z_95, Floats, Interval, Ints


@dataclass(frozen=True)
class Ranked:
    """Rows from the highest score to the lowest, sorted once so that each resample costs two running sums.

    Attributes:
        order: (n,) positions of the rows, highest score first.
        labels: (n,) zeros and ones in that order.
        scores: (n,) probabilities in that order.
        ends: (g,) position of the last row of each run of equal scores.
        hits: (p,) positions in that order of the positives.
        hit_ends, hit_lasts: (p,) for each of them, the position of the last row of its run, and the place among ``hits`` of the
            last positive of its run.
    """

    order: Ints
    labels: Ints
    scores: Floats
    ends: Ints
    hits: Ints
    hit_ends: Ints
    hit_lasts: Ints


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
    hits = np.flatnonzero(truth[order])
    hit_ends = ends[np.searchsorted(ends, hits)]
    hit_lasts = np.searchsorted(hits, hit_ends, "right") - 1
    return Ranked(order, truth[order], fallen, ends, hits, hit_ends, hit_lasts)


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
    taken = np.ones_like(rows.labels) if weights is None else weights[rows.order]
    gained = taken[rows.hits]
    caught = np.cumsum(gained)
    if not caught[-1]:
        return float("nan")
    alerts = np.cumsum(taken)[rows.hit_ends]
    precision = np.divide(caught[rows.hit_lasts], alerts, out=np.zeros(len(gained)), where=gained > 0)
    return float(np.dot(gained, precision) / caught[-1])


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


def threshold_at_false_positive_rate(rows: Ranked, rate: float) -> float:
    """Return the lowest score at or above which at most ``rate`` of the negatives lie; infinite where there is none.

    Raises:
        ValueError: ``rate`` is outside (0, 1).
    """
    if not 0 < rate < 1:
        raise ValueError(f"{rate=}")
    alerts, caught = steps(rows)
    false = alerts - caught
    allowed = np.flatnonzero(false <= rate * false[-1])
    return float(rows.scores[rows.ends[allowed[-1]]]) if len(allowed) else float("inf")


def threshold_at_precision(rows: Ranked, precision: float) -> float:
    """Return the lowest score at or above which ``precision`` of the rows are positives; infinite where there is none.

    Raises:
        ValueError: ``precision`` is outside (0, 1).
    """
    if not 0 < precision < 1:
        raise ValueError(f"{precision=}")
    alerts, caught = steps(rows)
    enough = np.flatnonzero(caught >= precision * alerts)
    return float(rows.scores[rows.ends[enough[-1]]]) if len(enough) else float("inf")


@dataclass(frozen=True)
class _Placements:
    """For each positive the share of negatives below it, (m,), and for each negative that of positives above it, (n,)."""

    beaten: Floats
    beating: Floats

    @classmethod
    def of(cls, truth: npt.NDArray[np.bool_], given: Floats) -> "_Placements":
        positives, negatives = given[truth], given[~truth]
        m, n = len(positives), len(negatives)
        if min(m, n) < 2:
            raise ValueError("the interval needs at least two rows of each label")
        among_all = midranks(np.concatenate([positives, negatives]))
        return cls((among_all[:m] - midranks(positives)) / n, 1 - (among_all[m:] - midranks(negatives)) / m)

    def error(self, truth: npt.NDArray[np.bool_], blocks: Ints | None) -> float:
        """Half the width of the 95% interval of their mean.

        Args:
            blocks: as in :func:`roc_auc`.
        """
        if blocks is None:
            of_positives, of_negatives = (part.var(ddof=1) / len(part) for part in (self.beaten, self.beating))
            return Z_95 * float(np.sqrt(of_positives + of_negatives))
        above, below = blocks[truth], blocks[~truth]
        known = int(blocks.max()) + 1
        ours, theirs = (
            np.bincount(codes, part - part.mean(), known) / len(part)
            for codes, part in ((above, self.beaten), (below, self.beating))
        )
        counts = [len(np.unique(codes)) for codes in (above, below, blocks)]
        if min(counts[:2]) < 2:
            raise ValueError("the interval needs rows of each label in at least two blocks")
        wide = [count / (count - 1) for count in counts]
        variance = wide[0] * ours @ ours + wide[1] * theirs @ theirs + 2 * wide[2] * ours @ theirs
        return Z_95 * float(np.sqrt(max(0.0, float(variance))))


def roc_auc(labels: npt.ArrayLike, scores: npt.ArrayLike, blocks: Ints | None = None) -> Interval:
    """Return the area under the ROC curve with DeLong's 95% interval (probability, 0 to 1).

    Args:
        blocks: (n,) which block each row is in, from 0; rows of one block, such as those of a customer, may depend on each other.
            None: each row is a block of its own, for which both ways give the same interval.

    Raises:
        ValueError: there are fewer than two rows of either label, or all of them lie in one block.
    Source: DeLong et al. 1988; computed with mid-ranks as in Sun and Xu 2014, "Fast implementation of DeLong's algorithm". By block:
        Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", whose variance adds up placements by block.
    """
    truth = np.asarray(labels, dtype=bool)
    found = _Placements.of(truth, np.asarray(scores, dtype=np.float64))
    area, error = float(found.beaten.mean()), found.error(truth, blocks)
    return Interval(area, max(0.0, area - error), min(1.0, area + error))


def roc_auc_difference(
    labels: npt.ArrayLike, scores: npt.ArrayLike, champion: npt.ArrayLike, blocks: Ints | None = None
) -> Interval:
    """Return by how much ``scores`` beats ``champion`` in the area under the ROC curve on the same rows, -1 to 1.

    The interval is DeLong's for correlated curves: the placements of each row are subtracted before their variance is taken.

    Args:
        blocks: as in :func:`roc_auc`.

    Raises: ValueError as :func:`roc_auc`.
    """
    truth = np.asarray(labels, dtype=bool)
    ours, theirs = (_Placements.of(truth, np.asarray(given, dtype=np.float64)) for given in (scores, champion))
    apart = _Placements(ours.beaten - theirs.beaten, ours.beating - theirs.beating)
    difference, error = float(apart.beaten.mean()), apart.error(truth, blocks)
    return Interval(difference, max(-1.0, difference - error), min(1.0, difference + error))


def midranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values share the mean of theirs. Shape (n,) as given."""
    distinct, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Floats = last - (counts - 1) / 2
    return middle[where] if len(distinct) else middle


def precision_recall_curve(rows: Ranked, *, points: int = 200) -> list[tuple[float, float]]:
    """Return up to ``points`` pairs (recall, precision), evenly spaced in recall."""
    alerts, caught = steps(rows)
    return _thin(caught / caught[-1], caught / alerts, points)


def roc_curve(rows: Ranked, *, points: int = 200) -> list[tuple[float, float]]:
    """Return up to ``points`` pairs (false positive rate, true positive rate), evenly spaced in the former."""
    alerts, caught = steps(rows)
    false = alerts - caught
    return _thin(false / false[-1], caught / caught[-1], points)


def _caught_at(alerts: Floats, caught: Floats, share: float) -> float:
    if not 0 < share <= 1:
        raise ValueError(f"{share=}")
    return float(np.interp(share * alerts[-1], np.append(0.0, alerts), np.append(0.0, caught)))


def _thin(x: Floats, y: Floats, points: int) -> list[tuple[float, float]]:
    wanted = np.unique(np.searchsorted(x, np.linspace(0, 1, points)).clip(max=len(x) - 1))
    return [(round(float(x[i]), 5), round(float(y[i]), 5)) for i in wanted]
