"""The values of a feature in the reference and now, in few enough bins for a drawing and its table. Pure arithmetic."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from monitoring.drift.features import Integers
from monitoring.drifting import Binned, Reference

BINS = 24
CATEGORIES = 10
TAIL = 0.005  # of the reference, on each side, that joins the bin at the end


@dataclass(frozen=True)
class Drawing:
    """One feature on both sides.

    Attributes:
        labels: of the bins, or the commonest categories.
        reference, current: share of the present values in each of them, in [0, 1].
    """

    name: str
    kind: str
    labels: list[str]
    reference: list[float]
    current: list[float]

    def as_json(self) -> dict[str, Any]:
        """Return the drawing as it is stored."""
        return asdict(self)


def drawing_of(reference: Reference, current: Binned) -> Drawing:
    """Return both sides of a feature as they are drawn; without values on one side all its shares are 0."""
    shares = _categories if reference.kind == "category" else _numbers
    labels, before, now = shares(reference, current)
    return Drawing(reference.name, reference.kind, labels, before, now)


Shares = tuple[list[str], list[float], list[float]]


def _categories(reference: Reference, current: Binned) -> Shares:
    sides = [np.append(side.counts, side.unseen) for side in (reference.binned, current)]
    names = [*reference.categories, "other values"]
    shares = [side / max(side.sum(), 1) for side in sides]
    order = sorted(range(len(names)), key=lambda i: -max(shares[0][i], shares[1][i]))
    shown = [i for i in order[:CATEGORIES] if shares[0][i] or shares[1][i]]
    labels, rows = [names[i] for i in shown], [[float(side[i]) for i in shown] for side in shares]
    if rest := [i for i in order[CATEGORIES:] if shares[0][i] or shares[1][i]]:
        labels.append(f"{len(rest)} more")
        rows = [[*row, float(side[rest].sum())] for row, side in zip(rows, shares, strict=True)]
    return labels, _rounded(rows[0]), _rounded(rows[1])


def _numbers(reference: Reference, current: Binned) -> Shares:
    edges = reference.edges
    if not edges.size:
        return [], [], []
    sides = (reference.binned.counts, current.counts)
    distinct = np.unique(edges)
    if distinct.size <= BINS + 1:
        inner = _between(distinct) or [f"{distinct[0]:.4g}"]
        kept = [0, *np.searchsorted(edges, distinct[1:], side="left").tolist()] if distinct.size > 1 else [0, 1]
        labels = [f"below {distinct[0]:.4g}", *inner, f"above {distinct[-1]:.4g}"]
        rows = [[int(side[0]), *_summed(side[1:-1], kept), int(side[-1])] for side in sides]
        seen = [i for i in range(len(labels)) if 0 < i < len(labels) - 1 or any(row[i] for row in rows)]
        labels, rows = [labels[i] for i in seen], [[row[i] for i in seen] for row in rows]
        return labels, *(_rounded([n / max(sum(row), 1) for n in row]) for row in rows)  # type: ignore[return-value]
    grid = _grid(edges, sides[0])
    rows_ = [_on(grid, edges, side) for side in sides]
    labels = [*_between(grid)]
    labels[0], labels[-1] = f"below {grid[1]:.4g}", f"from {grid[-2]:.4g}"
    return labels, _rounded(rows_[0]), _rounded(rows_[1])


def _grid(edges: "np.ndarray[Any, Any]", counts: Integers) -> "np.ndarray[Any, Any]":
    """Return edges of equal bins over the middle of the reference."""
    below = np.concatenate([[0], counts[1:-1].cumsum()]) / max(counts[1:-1].sum(), 1)
    low, high = np.interp([TAIL, 1 - TAIL], below, edges)
    if low == high:
        low, high = edges[0], edges[-1]
    return np.linspace(low, high, BINS + 1)


def _on(grid: "np.ndarray[Any, Any]", edges: "np.ndarray[Any, Any]", counts: Integers) -> list[float]:
    """Return the shares of equal bins: within a bin of the reference values count as evenly spread, what is beyond joins the ends."""
    total = max(int(counts.sum()), 1)
    inner = counts[0] + np.concatenate([[0], counts[1:-1].cumsum()])
    at = np.interp(grid[1:-1], edges, inner)
    return [float(share) for share in np.diff(np.concatenate([[0], at, [counts.sum()]]) / total)]


def _between(edges: "np.ndarray[Any, Any]") -> list[str]:
    return [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]


def _summed(counts: Integers, kept: list[int]) -> list[int]:
    return [int(counts[a:b].sum()) for a, b in pairwise(kept)]


def _rounded(shares: list[float]) -> list[float]:
    return [round(float(share), 5) for share in shares]
