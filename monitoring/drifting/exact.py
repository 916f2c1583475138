"""Exact statistics of columns as they are, and whether they drifted: by this product's rules, or by Evidently's defaults.

``mode="evidently"`` decides as Evidently 0.7's ``DataDriftPreset`` does: the same test by kind, size and number of values, the same
thresholds, the same treatment of what is missing. The statistics are exact in either mode; numbers are taken as doubles.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import polars as pl

from monitoring.drifting import evidently_rules
from monitoring.drifting.judging import judge
from monitoring.drifting.samples import Categories, Numbers, Pair
from monitoring.drifting.windows import Binned, Finding, Kind, Reference
from registry.histograms import MOST_CATEGORIES, counts_of, edges_of

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
    sides = [_sides(reference, current, name, kind) for name, kind in columns.items()]
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:  # sorting, counting and searching hold no lock of Python's
        if mode == "evidently":
            return list(pool.map(partial(_as_evidently, everything=everything), sides))
        told = list(pool.map(partial(_looked_at, importances=importances or {}), sides))
    statistics = {name: found for name, (found, _) in zip(columns, told, strict=True)}
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
            statistics=statistics[one.name],
            finding=one,
        )
        for one in judge([binned for _, binned in told])
    ]


@dataclass(frozen=True, eq=False)
class _Sides:
    name: str
    kind: Kind
    reference: pl.Series
    current: pl.Series

    def pair(self) -> Pair:
        made = Numbers.of if self.kind == "number" else Categories.of
        return made(self.reference, self.current)


def _sides(reference: pl.DataFrame, current: pl.DataFrame, name: str, kind: Kind) -> _Sides:
    for side, table in (("reference", reference), ("current", current)):
        if name not in table.columns:
            raise ValueError(f"{name}: the {side} table has no such column")
        dtype = table.schema[name]
        if kind == "number" and not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise ValueError(f"{name}: {dtype} in the {side} table, where numbers are expected")
    return _Sides(name, kind, reference[name], current[name])


def _as_evidently(sides: _Sides, *, everything: bool) -> Compared:
    pair = sides.pair()
    for side, n in (("reference", pair.reference_n), ("current", pair.n)):
        if not n:
            raise ValueError(f"{sides.name}: no values in the {side} table")
    decided = evidently_rules.decide(pair)
    return Compared(sides.name, pair.kind, *decided, pair.n, pair.reference_n, pair.statistics() if everything else {})


def _looked_at(
    sides: _Sides, *, importances: Mapping[str, float]
) -> tuple[dict[str, float | None], tuple[Reference, Binned]]:
    """Return a column's statistics and its counts, without its values: few columns are held sorted at a time."""
    pair = sides.pair()
    return pair.statistics(), _binned(sides.name, pair, importances.get(sides.name))


def _binned(name: str, pair: Pair, importance: float | None) -> tuple[Reference, Binned]:
    if isinstance(pair, Numbers):
        missing, missing_now = pair.missing
        edges = edges_of(pair.reference) if pair.reference_n else np.empty(0)
        counts = [
            counts_of(edges, side) if edges.size else np.empty(0, np.int64) for side in (pair.reference, pair.current)
        ]
        reference = Binned(counts[0], missing)
        current = Binned(counts[1], missing_now, unseen=0 if edges.size else pair.n)
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
