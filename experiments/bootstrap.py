"""Intervals by resampling rows. Pure: arrays in, numbers out, the same ones for the same seed.

Each resample draws n rows with replacement and is held as n counts. The rows are sorted once beforehand, so a resample
costs a few running sums instead of a sort; a paired comparison draws the same rows for both models.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from experiments.metrics import Interval, Ints, average_precision, ranked

Statistic = Callable[[Ints | None], float]
RESAMPLES = 1000


def intervals(
    statistics: Sequence[Statistic], *, rows: int, resamples: int = RESAMPLES, seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Interval]:  # fmt: skip
    """Return each statistic's value on all rows with its 95% percentile interval.

    Args:
        statistics: functions of (n,) counts, or of None for all rows once; evaluated on the same resamples.
        rows: n, the number of rows (count).
        resamples: how many to draw (count).
        progress: told the share done, now and then.

    Raises:
        ValueError: rows or resamples is below 1.
    Source: Efron and Tibshirani 1993, ch. 13, "Confidence intervals based on bootstrap percentiles".
    """
    if min(rows, resamples) < 1:
        raise ValueError(f"{rows=} {resamples=}")
    random = np.random.default_rng(seed)
    drawn = np.empty((resamples, len(statistics)))
    for i in range(resamples):
        counts = np.bincount(random.integers(0, rows, rows), minlength=rows)
        drawn[i] = [statistic(counts) for statistic in statistics]
        if i % 50 == 0:
            progress(i / resamples)
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    return [
        Interval(statistic(None), float(a), float(b)) for statistic, a, b in zip(statistics, low, high, strict=True)
    ]


def paired_average_precision(
    labels: npt.ArrayLike, scores: npt.ArrayLike, champion: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Interval:  # fmt: skip
    """Return by how much ``scores`` beats ``champion`` in average precision on the same rows, with its 95% interval.

    Args:
        labels: (n,) zeros and ones.
        scores, champion: (n,) probabilities of the two models for the same rows in the same order.

    Returns: a difference of shares, -1 to 1; positive where ``scores`` is better.
    Raises: ValueError as :func:`experiments.metrics.ranked`.
    """
    ours, theirs = ranked(labels, scores), ranked(labels, champion)

    def difference(counts: Ints | None) -> float:
        return average_precision(ours, counts) - average_precision(theirs, counts)

    (found,) = intervals([difference], rows=len(ours.order), resamples=resamples, seed=seed, progress=progress)
    return found
