"""Measuring drift: today's rows against those a version was trained on, by Evidently.

It takes seconds to import, so this module is imported where it is used: in the job's own process.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from monitoring.drift import (
    CATEGORICAL_METHOD,
    DRIFT_SHARE,
    MIN_ROWS,
    NUMERIC_METHOD,
    THRESHOLD,
    FeatureDrift,
    most_telling_first,
)

BINS = 12
CATEGORIES_SHOWN = 10


def compare(
    reference: pd.DataFrame, current: pd.DataFrame, *, categories: Sequence[str], importance: Mapping[str, float],
    html: Path,
) -> list[FeatureDrift]:  # fmt: skip
    """Compare each column of ``reference`` with the same one of ``current``, most telling first.

    Args:
        categories: columns to be compared as categories; all others are numbers.
        importance: of each feature to the model, as shares of the total; empty where unknown.
        html: where Evidently's own report is written.

    Raises:
        ValueError: a side has fewer than ``MIN_ROWS`` rows, or no column has values on both sides.
    """
    for side, frame in (("training rows", reference), ("predictions", current)):
        if len(frame) < MIN_ROWS:
            raise ValueError(f"There are {len(frame)} {side}; a comparison needs at least {MIN_ROWS}.")
    columns = [str(name) for name in reference if reference[name].notna().any() and current[name].notna().any()]
    if not columns:
        raise ValueError("No column has values on both sides.")
    scores = _evidently(reference[columns], current[columns], [c for c in columns if c in categories], html)
    return most_telling_first(
        [
            _feature(str(name), reference[name], current[name], name in categories, scores, importance.get(str(name)))
            for name in reference
        ]
    )


def _evidently(
    reference: pd.DataFrame, current: pd.DataFrame, categories: list[str], html: Path
) -> dict[str, tuple[str, float]]:
    """Return (method, score) of each column and write the full report."""
    definition = DataDefinition(
        numerical_columns=[name for name in reference if name not in categories], categorical_columns=categories
    )
    preset = DataDriftPreset(
        num_method=NUMERIC_METHOD, num_threshold=THRESHOLD, cat_method=CATEGORICAL_METHOD, cat_threshold=THRESHOLD,
        drift_share=DRIFT_SHARE,
    )  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):  # a constant column has no correlation to draw
        snapshot = Report([preset]).run(
            Dataset.from_pandas(current, data_definition=definition),
            Dataset.from_pandas(reference, data_definition=definition),
        )
    html.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save_html(str(html))
    return {
        metric["config"]["column"]: (metric["config"]["method"], float(metric["value"]))
        for metric in snapshot.dict()["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }


def _feature(
    name: str, reference: "pd.Series[Any]", current: "pd.Series[Any]", category: bool,
    scores: dict[str, tuple[str, float]], importance: float | None,
) -> FeatureDrift:  # fmt: skip
    method, score = scores.get(name, ("", None))
    shares = category_shares if category else number_shares
    labels, before, now = shares(reference.dropna(), current.dropna())
    missing_before, missing_now = (float(side.isna().mean()) for side in (reference, current))
    return FeatureDrift(
        name=name,
        kind="category" if category else "number",
        method=method,
        score=score,
        # Values that were always there and now never are, or the other way round, are drift beyond any distance.
        drifted=missing_before != missing_now if score is None else score >= THRESHOLD,
        importance=importance,
        missing_reference=missing_before,
        missing_current=missing_now,
        labels=labels,
        reference=before,
        current=now,
    )


Shares = tuple[list[str], list[float], list[float]]


def number_shares(reference: "pd.Series[Any]", current: "pd.Series[Any]") -> Shares:
    """Return labels of equal bins over the middle 98% of both sides, and each side's shares; tails join the end bins."""
    sides = [side.to_numpy(float) for side in (reference, current)]
    both = np.concatenate(sides)
    if not len(both):
        return [], [], []
    low, high = np.quantile(both, [0.01, 0.99])
    if low == high:  # nearly all values are one; the rest still shows
        low, high = both.min(), max(both.max(), both.min() + 1)
    edges = np.linspace(low, high, BINS + 1)
    before, now = (_shares(np.histogram(np.clip(side, low, high), edges)[0]) for side in sides)
    return [f"{a:.3g} to {b:.3g}" for a, b in pairwise(edges)], before, now


def category_shares(reference: "pd.Series[Any]", current: "pd.Series[Any]") -> Shares:
    """Return the commonest categories of both sides, the rest as ``others``, and each side's shares."""
    counts = [Counter(side.astype(str)) for side in (reference, current)]
    by_share = sum((Counter({k: n / count.total() for k, n in count.items()}) for count in counts), Counter())
    labels = [label for label, _ in by_share.most_common(CATEGORIES_SHOWN)]
    rows = [[count[label] for label in labels] for count in counts]
    if len(by_share) > CATEGORIES_SHOWN:
        labels.append("others")
        rows = [[*row, count.total() - sum(row)] for row, count in zip(rows, counts, strict=True)]
    before, now = (_shares(np.array(row)) for row in rows)
    return labels, before, now


def _shares(counts: "np.ndarray[Any, Any]") -> list[float]:
    return [round(float(share), 5) for share in counts / max(counts.sum(), 1)]


def typed(frame: pd.DataFrame, inputs: Sequence[dict[str, Any]]) -> tuple[pd.DataFrame, list[str]]:
    """Return the signature's columns of ``frame``, numbers as floats and others as text, and which are categories.

    Args:
        frame: rows; a column that it lacks counts as missing in every row.
        inputs: the signature's inputs, each with ``name`` and ``type`` as MLflow names types.
    """
    categories = [column["name"] for column in inputs if column["type"] in ("string", "boolean")]
    chosen = frame.reindex(columns=[column["name"] for column in inputs])
    for name in chosen:
        if name in categories:
            chosen[name] = chosen[name].astype(object).where(chosen[name].notna(), None)
        else:
            chosen[name] = chosen[name].astype("float64")
    return chosen, categories
