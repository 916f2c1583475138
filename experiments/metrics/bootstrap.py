"""Intervals by resampling. Pure: arrays in, numbers out, the same ones for the same seed.

What is resampled are blocks of rows that belong together (all rows of a customer, a query, a series); where nothing is said, each row
is one of its own. A resample draws as many blocks as there are, with replacement, and is held as how often each is taken.
Two ways lead from there to a metric:

- It depends on the order of scores (average precision): rows are sorted once beforehand, so a resample costs a few running sums
  instead of a sort.
- It is made of sums (a mean, a ratio, a root of them): sums of blocks are added up, all resamples at once.

A paired comparison takes the same blocks for both models.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from experiments.metrics import Floats, Interval, Ints, average_precision, ranked

Statistic = Callable[[Ints | None], float]
OfTotals = Callable[[Mapping[str, Floats]], Floats]
Progress = Callable[[float], None]
RESAMPLES = 1000
AT_ONCE = 2_000_000  # counts held in memory
ENDS = [0.025, 0.975]


def intervals(
    statistics: Sequence[Statistic], *, rows: int, blocks: Ints | None = None, resamples: int = RESAMPLES, seed: int = 0,
    progress: Progress = lambda share: None,
) -> list[Interval]:  # fmt: skip
    """Return each statistic's value on all rows with its 95% percentile interval.

    Args:
        statistics: functions of (n,) counts, or of None for all rows once; evaluated on the same resamples.
        rows: n, the number of rows (count).
        blocks: (n,) which block each row is in, from 0; None: rows are independent of each other.
        resamples: how many to draw (count).
        progress: told the share done, now and then.

    Raises:
        ValueError: rows or resamples is below 1.
    Source: Efron and Tibshirani 1993, ch. 13, "Confidence intervals based on bootstrap percentiles"; Field and Welsh 2007 for blocks.
    """
    if min(rows, resamples) < 1:
        raise ValueError(f"{rows=} {resamples=}")
    random = np.random.default_rng(seed)
    units = rows if blocks is None else int(blocks.max()) + 1
    drawn = np.empty((resamples, len(statistics)))
    for i in range(resamples):
        counts = np.bincount(random.integers(0, units, units), minlength=units)
        if blocks is not None:
            counts = counts[blocks]
        drawn[i] = [statistic(counts) for statistic in statistics]
        if i % 50 == 0:
            progress(i / resamples)
    low, high = np.nanquantile(drawn, ENDS, axis=0)
    return [
        Interval(statistic(None), float(a), float(b)) for statistic, a, b in zip(statistics, low, high, strict=True)
    ]


def intervals_of_sums(
    sums: Mapping[str, Floats], statistics: Mapping[str, OfTotals], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Return each statistic's value with its 95% percentile interval.

    Args:
        sums: by name, (b,) what each block adds.
        statistics: functions of totals by name, which may be of any shape.

    Returns: the statistics that have a value; one that has none in some resamples has the interval of the others.
    Raises: ValueError if there is no block, or resamples is below 1.
    """
    units = len(next(iter(sums.values()), ()))
    if min(units, resamples) < 1:
        raise ValueError(f"{units=} {resamples=}")
    random = np.random.default_rng(seed)
    added = np.column_stack([*sums.values()])
    parts = []
    at_once = max(1, AT_ONCE // units)
    for begun in range(0, resamples, at_once):
        some = min(at_once, resamples - begun)
        taken = random.integers(0, units, (some, units)) + units * np.arange(some)[:, None]
        counts = np.bincount(taken.ravel(), minlength=some * units).reshape(some, units)
        parts.append(counts @ added)
    drawn = dict(zip(sums, np.concatenate(parts).T, strict=True))
    whole = {name: np.asarray(values.sum()) for name, values in sums.items()}
    found = {}
    for name, statistic in statistics.items():
        value = float(statistic(whole))
        if np.isfinite(value):
            low, high = np.nanquantile(statistic(drawn), ENDS)
            found[name] = Interval(value, float(low), float(high))
    return found


def differences_of_sums(
    ours: Mapping[str, Floats], theirs: Mapping[str, Floats], statistics: Mapping[str, OfTotals], *,
    resamples: int = RESAMPLES, seed: int = 0,
) -> dict[str, Interval]:  # fmt: skip
    """Return by how much each statistic of ``ours`` exceeds that of ``theirs``, on the same blocks, with its 95% interval.

    Args:
        ours, theirs: sums of the same blocks in the same order, as in :func:`intervals_of_sums`.
    """
    both = {**{f"ours {name}": v for name, v in ours.items()}, **{f"theirs {name}": v for name, v in theirs.items()}}

    def difference(statistic: OfTotals) -> OfTotals:
        return lambda totals: (
            statistic({name: totals[f"ours {name}"] for name in ours})
            - statistic({name: totals[f"theirs {name}"] for name in theirs})
        )

    apart = {name: difference(statistic) for name, statistic in statistics.items()}
    return intervals_of_sums(both, apart, resamples=resamples, seed=seed)


def paired_average_precision(
    labels: npt.ArrayLike, scores: npt.ArrayLike, champion: npt.ArrayLike, *, blocks: Ints | None = None,
    resamples: int = RESAMPLES, seed: int = 0, progress: Progress = lambda share: None,
) -> Interval:  # fmt: skip
    """Return by how much ``scores`` beats ``champion`` in average precision on the same rows, with its 95% interval.

    Args:
        labels: (n,) zeros and ones.
        scores, champion: (n,) probabilities of the two models for the same rows in the same order.
        blocks: as in :func:`intervals`.

    Returns: a difference of shares, -1 to 1; positive where ``scores`` is better.
    Raises: ValueError as :func:`experiments.metrics.ranked`.
    """
    ours, theirs = ranked(labels, scores), ranked(labels, champion)

    def difference(counts: Ints | None) -> float:
        return average_precision(ours, counts) - average_precision(theirs, counts)

    (found,) = intervals(
        [difference], rows=len(ours.order), blocks=blocks, resamples=resamples, seed=seed, progress=progress
    )
    return found


@dataclass(frozen=True)
class Approximated:
    """A difference from binned scores, and what binning did to it.

    Attributes:
        interval: about the exact difference; only its width is approximate.
        bias: the binned difference less the exact one, on all rows; what the interval was shifted back by.
        cells: how many kinds of rows are left to draw from (count).
    """

    interval: Interval
    bias: float
    cells: int


def paired_average_precision_binned(
    labels: npt.ArrayLike, scores: npt.ArrayLike, champion: npt.ArrayLike, *, bins: int = 64,
    resamples: int = RESAMPLES, seed: int = 0,
) -> Approximated:  # fmt: skip
    """Return what :func:`paired_average_precision` does, for very many rows: rows of one bin of both scores and one label are alike.

    How often each of these kinds is drawn is multinomial, so a resample costs as many numbers as there are kinds, however many rows
    there are. Within a bin positives are taken to be spread evenly, which shifts the difference by a small amount: it is measured
    on all rows, told, and taken off. Two models that are much alike differ within bins too, where their order is lost: their
    interval comes out up to a fifth of its width too wide at either end.

    Args:
        bins: of each model's scores (count); half of their edges by the positives, half by all rows.
    """
    ours, theirs = ranked(labels, scores), ranked(labels, champion)
    truth = np.asarray(labels, dtype=np.int64)
    n = len(truth)
    by_us, by_them = (_bins(truth, np.asarray(given, dtype=np.float64), bins) for given in (scores, champion))
    kinds, sizes = np.unique((by_us * bins + by_them) * 2 + truth, return_counts=True)
    positive, cell = kinds % 2, kinds // 2
    sides = [_Side.of(place, positive, bins) for place in (cell // bins, cell % bins)]
    random = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    at_once = max(1, AT_ONCE // len(kinds))
    for begun in range(0, resamples, at_once):
        some = slice(begun, min(begun + at_once, resamples))
        counts = random.multinomial(n, sizes / n, some.stop - some.start).T.astype(np.float64)
        drawn[some] = sides[0].average_precision(counts) - sides[1].average_precision(counts)
    whole = sizes[:, None].astype(np.float64)
    binned = float(sides[0].average_precision(whole)[0] - sides[1].average_precision(whole)[0])
    exact = average_precision(ours) - average_precision(theirs)
    low, high = np.nanquantile(drawn, ENDS) - (binned - exact)
    return Approximated(Interval(exact, float(low), float(high)), binned - exact, len(kinds))


def _bins(truth: Ints, given: Floats, bins: int) -> Ints:
    """Return the bin of each row, highest scores first, 0 to ``bins`` - 1."""
    shares = np.arange(1, bins // 2 + 1) / (bins // 2 + 1)
    edges = np.unique([*np.quantile(given[truth == 1], shares), *np.quantile(given, shares[:-1])])
    return np.searchsorted(-edges[::-1], -given, "left")


@dataclass(frozen=True)
class _Side:
    """How kinds of rows fall into one model's bins: sparse (bins, kinds), of all rows and of positives."""

    rows: sparse.csr_array
    positives: sparse.csr_array

    @classmethod
    def of(cls, place: Ints, positive: Ints, bins: int) -> "_Side":
        at = np.arange(len(place))
        return cls(
            sparse.csr_array((np.ones(len(place)), (place, at)), shape=(bins, len(place))),
            sparse.csr_array((positive.astype(np.float64), (place, at)), shape=(bins, len(place))),
        )

    def average_precision(self, counts: Floats) -> Floats:
        """Return average precision of each resample, (r,), from counts of kinds, (kinds, r)."""
        alerts, hits = self.rows @ counts, self.positives @ counts
        caught = np.cumsum(hits, axis=0) - (hits - 1) / 2  # halfway through the bin
        before = np.cumsum(alerts, axis=0) - (alerts - 1) / 2
        found: Floats = (hits * caught / np.maximum(before, 1)).sum(axis=0) / hits.sum(axis=0)
        return found
