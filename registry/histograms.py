"""Histograms of a version's inputs where it was made, whose bins later inputs are counted in. Pure arithmetic.

A number's bins follow its own distribution, since equal steps waste nearly all of them on a long tail. ``edges`` e0 … ek
are non-decreasing; bin 0 is below e0, bin i holds [e(i-1), ei), the last of those also ek itself, bin k + 1 is above ek. So
no later value is without a bin. ``counts`` is sparse: {bin: rows}, without empty bins.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 256
MOST_CATEGORIES = 200  # the rest is counted together
CATEGORIES = ("string", "boolean")  # of MLflow's column types
Floats = npt.NDArray[np.float64]


def profile_of(columns: Mapping[str, Sequence[Any]], inputs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the histogram of each input of a signature.

    Args:
        columns: values by column; None and NaN are missing. A column that is not there is missing in every row.
        inputs: [{name, type, categories}].
    """
    rows = max((len(values) for values in columns.values()), default=0)
    found = {}
    for column in inputs:
        values = columns.get(column["name"], [None] * rows)
        as_category = column["type"] in CATEGORIES or column.get("categories") is not None
        found[column["name"]] = category_histogram(values) if as_category else number_histogram(values)
    return found


def number_histogram(values: Sequence[Any]) -> dict[str, Any]:
    """Return {kind, edges, counts, missing, min, max, mean, std} of numbers; infinities count as missing.

    Up to ``BINS`` distinct values have a bin each. More are parted at quantiles, and a value that fills more than a
    quantile's share by itself has a bin of its own, so that a change of it shows.
    """
    given = np.asarray(values, dtype=np.float64)
    present = given[np.isfinite(given)]
    missing = int(given.size - present.size)
    if not present.size:
        return {"kind": "number", "edges": [], "counts": {}, "missing": missing}
    ordered = np.sort(present)
    edges = edges_of(ordered)
    counts = counts_of(edges, ordered)
    return {
        "kind": "number",
        "edges": edges.tolist(),
        "counts": {str(bin_): int(counts[bin_]) for bin_ in np.flatnonzero(counts)},
        "missing": missing,
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        **_moments(present),
    }


def category_histogram(values: Sequence[Any]) -> dict[str, Any]:
    """Return {kind, counts, other, missing} of categories: the commonest ``MOST_CATEGORIES``, ties by name."""
    present = [str(value) for value in values if value is not None and value == value]
    ordered = sorted(Counter(present).items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ordered[:MOST_CATEGORIES])
    return {
        "kind": "category",
        "counts": kept,
        "other": len(present) - sum(kept.values()),
        "missing": len(values) - len(present),
    }


def edges_of(ordered: Floats) -> Floats:
    """Return the edges of the bins of sorted finite values, one or more."""
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    distinct, counts = ordered[starts], np.diff(starts, append=ordered.size)
    if len(distinct) == 1:
        return np.repeat(distinct, 2)
    if len(distinct) <= BINS:
        return np.concatenate([distinct[:1], distinct[:-1] / 2 + distinct[1:] / 2, distinct[-1:]])
    ranks = np.ceil(ordered.size * np.linspace(0, 1, BINS + 1)).astype(
        np.int64
    )  # of the least value with such a share below or at it
    heavy = distinct[counts > ordered.size / BINS]
    return np.unique(np.concatenate([ordered[np.maximum(ranks - 1, 0)], heavy, np.nextafter(heavy, np.inf)]))


def bins_of(edges: Floats, values: Floats) -> npt.NDArray[np.int64]:
    """Return the bin of each finite value, 0 to len(edges)."""
    found = np.searchsorted(edges, values, side="right")
    found[values == edges[-1]] = len(edges) - 1  # the last bin is closed
    return found


def counts_of(edges: Floats, ordered: Floats) -> npt.NDArray[np.int64]:
    """Return how many of sorted finite values lie in each bin, bins 0 to len(edges)."""
    below = np.searchsorted(ordered, edges)
    below[-1] = np.searchsorted(ordered, edges[-1], side="right")  # the last bin is closed
    return np.diff(below, prepend=0, append=ordered.size)


def _moments(present: Floats) -> dict[str, float | None]:
    """Return mean and standard deviation; None where they are beyond what a number holds."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = {"mean": float(present.mean()), "std": float(present.std())}
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
