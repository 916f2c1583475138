"""One column of two tables: the values of both sides once sorted or counted, and the exact statistics that follow. Pure arithmetic."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
from scipy.spatial.distance import jensenshannon
from scipy.special import chdtrc
from scipy.stats import ks_2samp, kstwo

from monitoring.drifting.windows import Floats, Integers

STATISTICS = "ks", "ks_p_value", "wasserstein", "jensen_shannon", "psi", "chi2", "chi2_p_value"
EXACT_KS = 10_000  # rows of either side up to which the p-value is exact, as in SciPy
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
        return 1 + int(np.count_nonzero(np.diff(self.reference))) if self.reference_n else 0

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
    def ks(self) -> float:
        """Kolmogorov-Smirnov distance."""
        return kolmogorov_smirnov(self.reference, self.current)

    @cached_property
    def ks_p_value(self) -> float:
        """Its two-sided p-value, as SciPy's ``ks_2samp`` finds it."""
        n, m = self.n, self.reference_n
        if max(n, m) <= EXACT_KS:
            return float(ks_2samp(self.reference, self.current).pvalue)
        larger, smaller = float(max(n, m)), float(min(n, m))
        return float(np.clip(kstwo.sf(self.ks, np.round(larger * smaller / (larger + smaller))), 0, 1))

    @cached_property
    def wasserstein(self) -> float:
        """First Wasserstein distance, in standard deviations of the reference (at least 0.001)."""
        return wasserstein(self.reference, self.current) / max(self.std, 0.001)

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


def kolmogorov_smirnov(one: Floats, two: Floats) -> float:
    """Return the largest difference of the distribution functions of two sorted samples, in [0, 1]."""
    few, many = sorted((one, two), key=len)
    # Between two values of the fewer the one function stands and the other rises: the largest difference is just before or at a value.
    ranks = np.arange(few.size)
    ends = np.append(few[1:] != few[:-1], True)
    starts = np.append(True, ends[:-1])
    at = (ranks[ends] + 1) / few.size - np.searchsorted(many, few[ends], side="right") / many.size
    before = ranks[starts] / few.size - np.searchsorted(many, few[starts], side="left") / many.size
    return float(max(np.abs(at).max(), np.abs(before).max()))


def wasserstein(one: Floats, two: Floats) -> float:
    """Return the first Wasserstein distance of two sorted samples: the area between their distribution functions.

    In each interval between values of the fewer, the function of the many crosses the other at most once, and the area on either side
    follows from sums of the many's values. So the many are neither merged nor walked through.
    """
    few, many = sorted((one, two), key=len)
    m, n = few.size, many.size
    middle = few[m // 2]
    few, many = few - middle, many - middle  # sums of small numbers lose less
    sums = np.concatenate([[0.0], many.cumsum()])
    first, last = (int(np.searchsorted(many, end)) for end in few[[0, -1]])
    outside = first * few[0] - sums[first] + (sums[n] - sums[last]) - (n - last) * few[-1]
    ranks = np.searchsorted(many, few, side="right")
    start, end, left, right = ranks[:-1], ranks[1:], few[:-1], few[1:]
    height = np.arange(1, m)
    cross = -(-height * n // m)  # so many of the many bring their function up to that of the few
    rank = np.clip(cross, start, end)
    place = np.where(cross <= start, left, np.where(cross > end, right, many[np.minimum(rank, n) - 1]))
    level = height * (n / m)

    def area(low: Floats, high: Floats, below: Integers, upto: Integers) -> Floats:
        rows = upto * high - below * low - (sums[upto] - sums[below])
        return np.asarray(rows - level * (high - low))

    inside = area(place, right, rank, end) - area(left, place, start, rank)
    return float((outside + inside.sum()) / n)


def jensen_shannon(before: Integers, now: Integers) -> float:
    """Return the Jensen-Shannon distance (square root of the divergence in nats)."""
    return float(jensenshannon(before / before.sum(), now / now.sum()))


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
    numbers = values.drop_nulls().cast(pl.Float64).to_numpy()
    finite = np.isfinite(numbers)
    return np.sort(numbers if finite.all() else numbers[finite])


def _distinct(ordered: Floats) -> Floats:
    return ordered[np.append(True, np.diff(ordered) != 0)] if ordered.size else ordered


def _counted(values: pl.Series) -> dict[str, int]:
    given = values.drop_nulls()
    if given.dtype.is_float():
        given = given.filter(given.is_finite())
    return {str(value): n for value, n in given.value_counts(name="rows").iter_rows()}
