"""Exact statistics of columns as they are, and whether they drifted: by this product's rules, or by Evidently's defaults.

``mode="evidently"`` decides as Evidently 0.7's ``DataDriftPreset`` does: the same test by kind, size and number of values, the same
thresholds, the same treatment of what is missing. The statistics are exact in either mode; numbers are taken as doubles.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from monitoring.drifting import evidently_rules
from monitoring.drifting.judging import judge
from monitoring.drifting.samples import Categories, Numbers, Pair
from monitoring.drifting.windows import Binned, Finding, Floats, Integers, Kind, Reference
from registry.histograms import MOST_CATEGORIES, number_histogram

Mode = Literal["ours", "evidently"]


@dataclass(frozen=True)
class Compared:
    """One column of two tables.

    Attributes:
        method, score, threshold: what decides: in mode "evidently" a p-value (drifted if smaller) or a distance (drifted if at least as
            large), by Evidently's names; in mode "ours" the distance of ``finding``.
        statistics: ``ks``, ``ks_p_value``, ``wasserstein`` (in standard deviations of the reference), ``jensen_shannon``, ``psi``, ``chi2``,
            ``chi2_p_value``; None where not defined.
        n, reference_n: values compared.
        finding: what this product says; None in mode "evidently".
    """

    name: str
    kind: Kind
    method: str
    score: float
    threshold: float
    drifted: bool
    n: int
    reference_n: int
    statistics: Mapping[str, float | None]
    finding: Finding | None = None


def compare(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    columns: Mapping[str, Kind],
    *,
    mode: Mode = "ours",
    everything: bool = True,
    importances: Mapping[str, float] | None = None,
) -> list[Compared]:
    """Return each column's statistics and decision, in the order of ``columns``; in mode "ours" the likeliest causes first.

    Args:
        columns: {name: "number" or "category"}. Both tables have them.
        everything: work out all statistics; without, in mode "evidently", the one that decides alone.
        importances: how much the model depends on a column, for the ranking.

    Raises: ValueError that names a column that is absent, is no number, or (in mode "evidently") has no values.
    """
    pairs = {name: _pair(reference, current, name, kind) for name, kind in columns.items()}
    if mode == "evidently":
        return [_as_evidently(name, pair, everything) for name, pair in pairs.items()]
    binned = [_binned(name, pair, (importances or {}).get(name)) for name, pair in pairs.items()]
    return [
        Compared(
            name=one.name,
            kind=one.kind,
            method=one.method,
            score=one.distance,
            threshold=one.threshold,
            drifted=one.drifted,
            n=one.n,
            reference_n=one.reference_n,
            statistics=pairs[one.name].statistics(),
            finding=one,
        )
        for one in judge(binned)
    ]


def _pair(reference: pl.DataFrame, current: pl.DataFrame, name: str, kind: Kind) -> Pair:
    for side, table in (("reference", reference), ("current", current)):
        if name not in table.columns:
            raise ValueError(f"{name}: the {side} table has no such column")
        dtype = table.schema[name]
        if kind == "number" and not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise ValueError(f"{name}: {dtype} in the {side} table, where numbers are expected")
    if kind == "number":
        return Numbers.of(reference[name], current[name])
    return Categories.of(reference[name], current[name])


def _as_evidently(name: str, pair: Pair, everything: bool) -> Compared:
    for side, n in (("reference", pair.reference_n), ("current", pair.n)):
        if not n:
            raise ValueError(f"{name}: no values in the {side} table")
    decided = evidently_rules.decide(pair)
    return Compared(name, pair.kind, *decided, pair.n, pair.reference_n, pair.statistics() if everything else {})


def _binned(name: str, pair: Pair, importance: float | None) -> tuple[Reference, Binned]:
    if isinstance(pair, Numbers):
        edges = np.asarray(number_histogram(pair.reference)["edges"])  # type: ignore[arg-type]  # an array is a sequence here
        missing, missing_now = pair.missing
        reference = Binned(_in_bins(edges, pair.reference), missing)
        current = Binned(_in_bins(edges, pair.current), missing_now, unseen=0 if edges.size else pair.n)
        return Reference(name, "number", edges, (), reference, pair.std, importance), current
    commonest = sorted(pair.reference, key=lambda category: (-pair.reference[category], category))
    names = tuple(sorted(commonest[:MOST_CATEGORIES]))
    sides = [
        Binned(np.array([side.get(category, 0) for category in names], np.int64), missing)
        for side, missing in zip((pair.reference, pair.current), pair.missing, strict=True)
    ]
    before, now = (
        replace(side, unseen=n - int(side.counts.sum()))
        for side, n in zip(sides, (pair.reference_n, pair.n), strict=True)
    )
    return Reference(name, "category", np.empty(0), names, before, None, importance), now


def _in_bins(edges: Floats, ordered: Floats) -> Integers:
    """Return how many of sorted values lie in each bin (``registry.histograms``)."""
    if not edges.size:
        return np.empty(0, np.int64)
    below = np.searchsorted(ordered, edges)
    below[-1] = np.searchsorted(ordered, edges[-1], side="right")
    return np.diff(below, prepend=0, append=ordered.size)
