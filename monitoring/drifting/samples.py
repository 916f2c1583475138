"""One column of two tables: the values of both sides once sorted or counted, and the exact statistics that follow. Pure arithmetic."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
import scipy
from scipy.special import chdtrc

from monitoring.drifting.windows import Floats, Integers

STATISTICS = "ks", "ks_p_value", "wasserstein", "jensen_shannon", "psi", "chi2", "chi2_p_value"
EXACT_KS = 10_000  # rows of either side up to which the p-value is exact, as in SciPy
LARGE_KS = 5_000  # values from which on a small p-value follows from the first terms of its series to 1e-9
FEW_VALUES = 20  # up to so many distinct numbers are their own bins


@dataclass(frozen=True, eq=False)
class Numbers:
    """Finite numbers, sorted; infinities count as missing.

    Attributes:
        missing: rows without a number, of the reference and now.
    """

    reference: Floats
    current: Floats
    missing: tuple[int, int]
    kind: Literal["number"] = "number"

    @classmethod
    def of(cls, reference: pl.Series, current: pl.Series) -> "Numbers":
        """Sort both sides."""
        sides = [_finite(side) for side in (reference, current)]
        return cls(sides[0], sides[1], (len(reference) - sides[0].size, len(current) - sides[1].size))

    @property
    def n(self) -> int:
        """Numbers now."""
        return self.current.size

    @property
    def reference_n(self) -> int:
        """Numbers of the reference."""
        return self.reference.size

    @cached_property
    def std(self) -> float:
        """Standard deviation of the reference."""
        return float(self.reference.std()) if self.reference_n else 0.0

    @cached_property
    def distinct(self) -> int:
        """Distinct numbers of the reference."""
        return _last_of_each(self.reference).size

    @cached_property
    def values(self) -> list[float] | None:
        """All distinct numbers of both sides; None where the reference alone has more than ``FEW_VALUES``."""
        if self.distinct > FEW_VALUES:
            return None
        found: list[float] = np.union1d(_distinct(self.reference), _distinct(self.current)).tolist()
        return found

    @cached_property
    def counts(self) -> tuple[Integers, Integers]:
        """Rows of both sides by value, or in bins of equal width over both sides (Sturges) where there are more than ``FEW_VALUES``."""
        if self.values is not None:
            edges = np.append(self.values, np.inf)
        else:
            low, high = min(self.reference[0], self.current[0]), max(self.reference[-1], self.current[-1])
            width = (high - low) / (np.log2(self.n + self.reference_n) + 1)
            edges = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
        found = [
            np.diff(np.append(np.searchsorted(side, edges[:-1]), side.size)) for side in (self.reference, self.current)
        ]
        return found[0], found[1]

    @cached_property
    def _placed(self) -> tuple[Floats, Floats, Integers]:
        return placed(self.reference, self.current)

    @cached_property
    def ks(self) -> float:
        """Kolmogorov-Smirnov distance."""
        return kolmogorov_smirnov(*self._placed)

    @cached_property
    def ks_p_value(self) -> float:
        """Its two-sided p-value, as SciPy's ``ks_2samp`` finds it."""
        n, m = self.n, self.reference_n
        if max(n, m) <= EXACT_KS:
            return float(scipy.stats.ks_2samp(self.reference, self.current).pvalue)
        return kolmogorov_smirnov_p_value(self.ks, round(float(n) * m / (n + m)))

    @cached_property
    def wasserstein(self) -> float:
        """First Wasserstein distance, in standard deviations of the reference (at least 0.001)."""
        return wasserstein(*self._placed) / max(self.std, 0.001)

    def statistics(self) -> dict[str, float | None]:
        """Return all statistics; None where a side is empty."""
        if not self.n or not self.reference_n:
            return dict.fromkeys(STATISTICS)
        counted = self.counts if self.values is not None else None
        return {
            "ks": self.ks,
            "ks_p_value": self.ks_p_value,
            "wasserstein": self.wasserstein,
            "jensen_shannon": jensen_shannon(*self.counts),
            "psi": population_stability(*self.counts),
            "chi2": chi_squared(*counted) if counted else None,
            "chi2_p_value": chi_squared_p_value(*counted) if counted and counted[0].size > 1 else None,
        }


@dataclass(frozen=True, eq=False)
class Categories:
    """Rows by category on both sides; a number that is not finite counts as missing.

    Attributes:
        missing: rows without one, of the reference and now.
    """

    reference: dict[str, int]
    current: dict[str, int]
    missing: tuple[int, int]
    kind: Literal["category"] = "category"

    @classmethod
    def of(cls, reference: pl.Series, current: pl.Series) -> "Categories":
        """Count both sides."""
        sides = [_counted(side) for side in (reference, current)]
        missing = [len(side) - sum(found.values()) for side, found in zip((reference, current), sides, strict=True)]
        return cls(sides[0], sides[1], (missing[0], missing[1]))

    @cached_property
    def n(self) -> int:
        """Values now."""
        return sum(self.current.values())

    @cached_property
    def reference_n(self) -> int:
        """Values of the reference."""
        return sum(self.reference.values())

    @cached_property
    def values(self) -> list[str]:
        """All categories of both sides, by name."""
        return sorted(self.reference.keys() | self.current.keys())

    @cached_property
    def counts(self) -> tuple[Integers, Integers]:
        """Rows of both sides by category."""
        sides = [
            np.array([side.get(value, 0) for value in self.values], np.int64) for side in (self.reference, self.current)
        ]
        return sides[0], sides[1]

    def statistics(self) -> dict[str, float | None]:
        """Return all statistics; None where a side is empty or the statistic asks for an order."""
        found = dict.fromkeys(STATISTICS)
        if not self.n or not self.reference_n:
            return found
        return found | {
            "jensen_shannon": jensen_shannon(*self.counts),
            "psi": population_stability(*self.counts),
            "chi2": chi_squared(*self.counts),
            "chi2_p_value": chi_squared_p_value(*self.counts) if len(self.values) > 1 else None,
        }


Pair = Numbers | Categories


def placed(one: Floats, two: Floats) -> tuple[Floats, Floats, Integers]:
    """Return the smaller of two sorted samples, the larger, and how many of the larger are at or below each value of the smaller."""
    few, many = sorted((one, two), key=len)
    return few, many, np.searchsorted(many, few, side="right")


def kolmogorov_smirnov(few: Floats, many: Floats, ranks: Integers) -> float:
    """Return the largest difference of the distribution functions of two samples as ``placed``, in [0, 1].

    Between two values of the fewer the one function stands and the other rises: the largest difference is just before or at a value.
    """
    ends = _last_of_each(few)
    values, ranks = few[ends], ranks[ends]
    met = np.flatnonzero(many[ranks - 1] == values)  # a rank of 0 leads to the largest of the many, which is not met
    below = ranks.copy()
    below[met] = np.searchsorted(many, values[met])
    at = (ends + 1) / few.size - ranks / many.size
    before = np.append(0, ends[:-1] + 1) / few.size - below / many.size
    return float(max(np.abs(at).max(), np.abs(before).max()))


def wasserstein(few: Floats, many: Floats, ranks: Integers) -> float:
    """Return the first Wasserstein distance of two samples as ``placed``: the mean distance of values at the same share of either.

    Each of the fewer stands for as many of the many, which first are smaller than it and then larger. So their distances follow from sums of
    the many, and these are not walked through.
    """
    m, n = few.size, many.size
    if m == n:
        return float(np.abs(few - many).mean())
    middle = few[m // 2]
    few, many = few - middle, many - middle  # sums of small numbers lose less
    sums = np.concatenate([[0.0], many.cumsum()])
    whole, parts = np.divmod(np.arange(m + 1) * n, m)
    bounds = whole + parts / m  # of the many, where the next of the fewer begins
    upto = sums[whole] + parts / m * many[np.minimum(whole, n - 1)]
    start, end = bounds[:-1], bounds[1:]
    cross = np.clip(ranks, start, end)
    smaller = np.where(ranks <= start, upto[:-1], np.where(ranks >= end, upto[1:], sums[ranks]))
    return float(((2 * cross - start - end) * few - 2 * smaller + upto[:-1] + upto[1:]).sum() / n)


def kolmogorov_smirnov_p_value(distance: float, n: int) -> float:
    """Return the probability of at least such a distance of ``n`` values from a known distribution, as SciPy's ``kstwo.sf``, within 1e-9.

    Where it is small SciPy sums up as many terms as there are values: twice the chance of such a distance on one side, so that samples
    with one on both count twice. The same follows from its distribution function and the first term of what counts twice; below 1e-8 the
    first term alone is all there is to tell.

    Source: Maag and Dicaire, On Kolmogorov-Smirnov type one-sample statistics (1971).
    """
    z2 = n * distance**2
    if n < LARGE_KS or z2 < 2.5:
        return float(scipy.stats.kstwo.sf(distance, n))
    if z2 < 10:
        return float(1 - scipy.stats.kstwo.cdf(distance, n) + _first_term(2 * distance, n))
    return _first_term(distance, n)


def _first_term(distance: float, n: int) -> float:
    return float(2 * np.exp(-((6 * n * distance + 1) ** 2) / (18 * n)))


def jensen_shannon(before: Integers, now: Integers) -> float:
    """Return the Jensen-Shannon distance (square root of the divergence in nats)."""
    return float(scipy.spatial.distance.jensenshannon(before, now))


def population_stability(before: Integers, now: Integers) -> float:
    """Return the population stability index, where an empty bin has a share of 0.0001, or a millionth of the smallest that is below it."""
    shares = []
    for side in (before, now):
        found = side / side.sum()
        least = found[found > 0].min()
        found[found == 0] = least / 1e6 if least <= 0.0001 else 0.0001
        shares.append(found)
    return float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())


def chi_squared(before: Integers, now: Integers) -> float:
    """Return Pearson's statistic of the current counts, the reference's shares being taken as known; infinite for a new value."""
    expected = before * (now.sum() / before.sum())
    with np.errstate(divide="ignore"):
        return float(((now - expected) ** 2 / expected).sum())


def chi_squared_p_value(before: Integers, now: Integers) -> float:
    """Return the p-value of :func:`chi_squared`; there are two values or more."""
    return float(chdtrc(before.size - 1, chi_squared(before, now)))


def _finite(values: pl.Series) -> Floats:
    ordered = values.drop_nulls().cast(pl.Float64).sort().to_numpy()  # what is no number comes last
    return ordered[np.searchsorted(ordered, -np.inf, side="right") : np.searchsorted(ordered, np.inf)]


def _last_of_each(ordered: Floats) -> Integers:
    """Return the place of the last of each distinct value."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if ordered.size else np.empty(0, np.int64)


def _distinct(ordered: Floats) -> Floats:
    return ordered[_last_of_each(ordered)]


def _counted(values: pl.Series) -> dict[str, int]:
    given = values.drop_nulls()
    if given.dtype.is_float():
        given = given.filter(given.is_finite())
    return {str(value): n for value, n in given.alias("value").value_counts().iter_rows()}
