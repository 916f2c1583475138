"""A full drift report: each row of a sample against the training rows, feature by feature and slice by slice.

Imported where it is used, in the job's own process: its libraries are heavy.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from monitoring.drift.drawing import drawing_of
from monitoring.drift.features import cells_of, features_of
from monitoring.drift.words import FeatureDrift, SliceDrift, counted, floor_of
from monitoring.drifting import Finding, binned_of, exact, judge, reference_of
from monitoring.drifting.classifier import tell_apart
from monitoring.drifting.windows import MIN_ROWS, Kind
from monitoring.models import DriftPolicy
from registry.children import run_child
from registry.histograms import CATEGORIES, profile_of

FEW_VALUES = 6  # of a category that is taken apart unasked
MOST_TELLING = 5  # columns by which both sides are told apart
MOST_VALUES = 10  # of one that is, the commonest ones
EVIDENTLY_S = 400
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Sides:
    """What is compared.

    Attributes:
        inputs: the columns as the version's signature has them.
        reference, current: values by column, as they came.
        scores: of the current rows.
        score: the histogram of the reference's scores; empty where it is not known.
        importance: of features to the model, as shares of the total; empty where unknown.
    """

    inputs: Sequence[Mapping[str, Any]]
    reference: Columns
    current: Columns
    scores: Sequence[float | None]
    score: Mapping[str, Any]
    importance: Mapping[str, float]

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows of the reference, and current ones."""
        return _rows(self.reference), _rows(self.current)

    def where(self, column: str, value: str) -> "Sides":
        """Return the part with one value of a category; its scores have no reference of their own."""
        inputs = [one for one in self.inputs if one["name"] != column]
        sides = [_chosen(side, column, value) for side in (self.reference, self.current)]
        return Sides(inputs, sides[0], sides[1], (), {}, self.importance)

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return both sides with numbers as floats and categories as text; what is neither counts as missing."""
        return _frame(self.reference, self.inputs), _frame(self.current, self.inputs)


def told_apart(sides: Sides) -> dict[str, Any]:
    """Return whether a classifier can tell predictions from training rows, as reports hold it; empty where rows are too few."""
    reference, current = sides.frames()
    try:
        found = tell_apart(reference, current, _kinds(reference))
    except ValueError:
        return {}
    return {
        "auc": found.auc, "low": found.low, "high": found.high, "drifted": found.drifted, "rows": found.n,
        "reference_rows": found.reference_n, "features": list(found.importances.items())[:MOST_TELLING],
    }  # fmt: skip


def exact_statistics(sides: Sides) -> dict[str, dict[str, float | None]]:
    """Return the statistics of each input from its values as they are, not from bins; what is infinite is None."""
    reference, current = sides.frames()
    compared = exact.compare(reference, current, _kinds(reference))
    return {
        one.name: {name: value if value is not None and isfinite(value) else None for name, value in one.statistics.items()}
        for one in compared
    }  # fmt: skip


def judged(sides: Sides, policy: DriftPolicy) -> tuple[list[Finding], list[FeatureDrift]]:
    """Return what both sides say of each feature, the likeliest causes first, and the same as reports hold it."""
    columns = profile_of(sides.reference, [dict(one) for one in sides.inputs])
    features = features_of(columns, sides.score)
    rows = [dict(zip(sides.current, values, strict=True)) for values in zip(*sides.current.values(), strict=True)]
    counts = cells_of(features, rows, sides.scores).by_feature(features)
    pairs = [
        (
            reference_of(feature, columns.get(feature.name, sides.score), sides.importance.get(feature.name)),
            binned_of(feature, places),
        )
        for feature, places in counts
    ]
    found = judge(pairs, alpha=policy.alpha, fdr=policy.fdr, floor=floor_of(policy.effect_floor))
    drawings = {reference.name: drawing_of(reference, binned) for reference, binned in pairs}
    return found, [
        FeatureDrift(
            name=one.name, kind=one.kind, method=one.method, score=one.distance if one.n and one.reference_n else None,
            drifted=one.drifted and one.name not in policy.muted, importance=one.importance,
            missing_reference=one.missing.reference, missing_current=one.missing.current,
            labels=drawings[one.name].labels, reference=drawings[one.name].reference, current=drawings[one.name].current,
            threshold=one.threshold, n=one.n, reference_n=one.reference_n, enough=one.enough, breaks=one.breaks,
            statistics=dict(one.statistics), cause=one.cause, adjusted_p=one.adjusted_p,
        )
        for one in found
    ]  # fmt: skip


def slices(sides: Sides, policy: DriftPolicy) -> list[SliceDrift]:
    """Return how each value of some categories stands for itself, those with drift first.

    The categories are those that the policy names, or else all that have few values.
    """
    texts = [one["name"] for one in sides.inputs if one["type"] in CATEGORIES]
    named = [name for name in policy.slices if name in sides.reference]
    columns = named or [name for name in texts if len(set(sides.reference.get(name, ())) - {None}) <= FEW_VALUES]
    found = [
        _slice(sides, column, value, policy)
        for column in columns
        if column in sides.reference and column in sides.current
        for value in _commonest(sides.current[column])
    ]
    return sorted(found, key=lambda one: (-one.drifted, -len(one.causes), one.column, one.value))


def evidently_page(sides: Sides, page: Path) -> str:
    """Write Evidently's own page of both sides, and return why there is none; empty where there is."""
    reference, current = sides.frames()
    both = [name for name in reference.columns if reference[name].null_count() < reference.height]
    both = [name for name in both if current[name].null_count() < current.height]
    columns = {
        "categories": [name for name in both if reference[name].dtype == pl.String],
        "numbers": [name for name in both if reference[name].dtype != pl.String],
    }
    if not both:
        return "No column has values on both sides."
    page.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.parquet" for name in ("reference", "current")]
        for frame, path in zip((reference, current), paths, strict=True):
            frame.select(both).write_parquet(path)
        try:
            child = run_child(
                "monitoring.drift.evidently_page", *map(str, paths), str(page), given=json.dumps(columns).encode(),
                seconds=EVIDENTLY_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"Evidently was not done within {EVIDENTLY_S} s."
    if child.returncode < 0:
        return f"Evidently was ended by its limits of time and memory (signal {-child.returncode})."
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        return f"Evidently failed: {said[-1][:300]}"
    return ""


def columns_of(rows: Sequence[Mapping[str, Any]], inputs: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows by column of a signature; what a row does not have is missing."""
    return {one["name"]: [row.get(one["name"]) for row in rows] for one in inputs}


def _kinds(frame: pl.DataFrame) -> dict[str, Kind]:
    return {name: "category" if kind == pl.String else "number" for name, kind in frame.schema.items()}


def _slice(sides: Sides, column: str, value: str, policy: DriftPolicy) -> SliceDrift:
    part = sides.where(column, value)
    reference_rows, rows = part.sizes
    if min(reference_rows, rows) < MIN_ROWS:
        return SliceDrift(column, value, rows, reference_rows, "thin", 0, 0, [])
    telling = counted(judged(part, policy)[0], policy.muted)
    causes = [one.name for one in telling if one.drifted or one.breaks]
    drifted = sum(one.drifted for one in telling)
    state = "drifted" if drifted else "broken" if causes else "steady"
    return SliceDrift(
        column, value, rows, reference_rows, state, drifted, sum(one.enough for one in telling), causes[:5]
    )  # fmt: skip


def _commonest(values: Sequence[Any]) -> list[str]:
    counts: dict[str, int] = {}
    for value in values:
        if value is not None and value == value:
            counts[str(value)] = counts.get(str(value), 0) + 1
    return sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES]


def _chosen(side: Columns, column: str, value: str) -> dict[str, list[Any]]:
    kept = [i for i, given in enumerate(side[column]) if given is not None and str(given) == value]
    return {name: [values[i] for i in kept] for name, values in side.items() if name != column}


def _rows(side: Columns) -> int:
    return max((len(values) for values in side.values()), default=0)


def _frame(side: Columns, inputs: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    count = _rows(side)
    found = {}
    for one in inputs:
        values = side.get(one["name"], [None] * count)
        if one["type"] in CATEGORIES or one.get("categories") is not None:
            text = [None if value is None or value != value else str(value) for value in values]
            found[one["name"]] = pl.Series(text, dtype=pl.String)
        else:
            numbers = [float(value) if type(value) in (int, float) and value == value else None for value in values]
            found[one["name"]] = pl.Series(numbers, dtype=pl.Float64)
    return pl.DataFrame(found)
