"""Where a model does worst, and how differently groups fare: found by search, or declared. Pure.

A search over many parts finds bad ones by chance alone. So intervals are widened by how many were looked at (Bonferroni), and what
is found is told as found: a hint where to look, not proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
import scipy

from experiments.metrics import Floats, Interval, share_difference, share_ratio, wilson_interval
from experiments.suites.parts import Mask

BINS = 5  # of a number, by quantiles
MOST_VALUES = 50  # of a category, the most frequent ones
MOST_TOLD = 10
PAIRED = 8  # of the worst parts, whose overlaps are looked at too
FOUND = "found by search; intervals are widened for the {parts} parts that were looked at (Bonferroni): a hint where to look, not proof"


@dataclass(frozen=True)
class Part:
    """A part of the rows that does worse than the whole, with the simultaneous interval of its mean."""

    name: str
    rows: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Search:
    """The worst parts, surely worst first, out of how many that were looked at."""

    parts: list[Part]
    looked_at: int

    def told(self) -> dict[str, Any]:
        """Return it as plain values, with what it is worth."""
        return {"parts": [asdict(part) for part in self.parts], "method": FOUND.format(parts=self.looked_at)}


def candidates(
    rows: pd.DataFrame, features: Sequence[str], categorical: Sequence[str], *, least: int
) -> dict[str, Mask]:
    """Return parts of at least ``least`` rows: values of categories, bins of numbers with equally many rows, and what is missing."""
    found: dict[str, Mask] = {}
    for name in features:
        column = rows[name]
        absent = column.isna().to_numpy(dtype=bool)
        if name in categorical or not pd.api.types.is_numeric_dtype(column) or column.nunique() <= BINS:
            for value in column.value_counts().index[:MOST_VALUES]:
                found[f"{name}={value}"] = (column == value).to_numpy(dtype=bool)
        else:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            edges = np.unique(np.quantile(values[~absent], np.linspace(0, 1, BINS + 1)))
            for low, high in pairwise(edges):
                last = high == edges[-1]
                inside = (values >= low) & ((values <= high) if last else (values < high))
                found[f"{low:.4g} ≤ {name} {'≤' if last else '<'} {high:.4g}"] = inside
        found[f"{name} is missing"] = absent
    return {name: mask for name, mask in found.items() if least <= int(mask.sum()) < len(rows)}


def worst(parts: Mapping[str, Mask], values: Floats, counted: Mask, *, least: int, higher_is_better: bool) -> Search:
    """Return the parts whose mean is worst, and overlaps of two of them that are worse still.

    Args:
        values: (n,) one number a row; zeros and ones are taken as shares.
        counted: (n,) the rows that count, such as the positives where ``values`` says which were caught.
        least: counted rows that a part must have.
    """
    looked: dict[str, Mask] = {name: mask & counted for name, mask in parts.items() if (mask & counted).sum() >= least}
    sign = 1.0 if higher_is_better else -1.0
    singles = sorted(looked, key=lambda name: sign * values[looked[name]].mean())[:PAIRED]
    for one, other in combinations(singles, 2):
        both = looked[one] & looked[other]
        if least <= both.sum() < min(looked[one].sum(), looked[other].sum()):
            looked[f"{one} and {other}"] = both
    if not looked:
        return Search([], 0)
    z = float(scipy.stats.norm.isf(0.025 / len(looked)))
    share = bool(np.isin(values[counted], (0.0, 1.0)).all())
    whole = float(values[counted].mean())
    found = [_part(name, values[mask], z, share) for name, mask in looked.items()]
    worse = [part for part in found if sign * (part.value - whole) < 0]
    worse.sort(key=lambda part: part.high if higher_is_better else -part.low)  # who does worst even at its best
    return Search(worse[:MOST_TOLD], len(looked))


def _part(name: str, values: Floats, z: float, share: bool) -> Part:
    n = len(values)
    if share:
        return Part(name, n, *wilson_interval(int(values.sum()), n, z=z))
    mean, half = float(values.mean()), z * float(values.std(ddof=1)) / float(np.sqrt(n))
    return Part(name, n, mean, mean - half, mean + half)


@dataclass(frozen=True)
class Gap:
    """How differently the groups of one column fare in one rate.

    Attributes:
        difference: between the group with the highest rate and the one with the lowest, with a simultaneous interval.
        ratio: of the lowest to the highest; None where one of them is 0.
        high, low: their names.
        groups: by name, (hits, total).
    """

    difference: Interval
    ratio: Interval | None
    high: str
    low: str
    groups: dict[str, tuple[int, int]]


def gap(groups: Mapping[str, tuple[int, int]]) -> Gap | None:
    """Return the widest gap between two groups, each given as (hits, total); None with fewer than two that have any rows.

    Its interval is widened for the pairs that it is the widest of (Bonferroni), so it holds for whichever pair that is.
    """
    known = {name: counts for name, counts in groups.items() if counts[1]}
    if len(known) < 2:
        return None
    by_rate = sorted(known, key=lambda name: (known[name][0] / known[name][1], name))
    low, high = by_rate[0], by_rate[-1]
    z = float(scipy.stats.norm.isf(0.025 / (len(known) * (len(known) - 1) / 2)))
    return Gap(
        share_difference(known[high], known[low], z=z), share_ratio(known[low], known[high], z=z), high, low, known
    )
