"""What a data set looks like. Pure: rows in, plain JSON out."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from experiments.contracts.sources import Rows

BINS = 24
TOP = 10
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def profile_of(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return for each column the counts of missing and distinct values, and a summary that fits its type."""
    return {str(name): _column(frame[name]) for name in frame.columns}


def profile_in(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return the same of rows that need not fit into memory: one column at a time."""
    found = {}
    for name in rows.types:
        parts = [batch[name] for batch in rows.batches([name])]
        found[name] = _column(pl.concat(parts).to_pandas()) if parts else {"nulls": 0, "distinct": 0}
    return found


def _column(values: "pd.Series[Any]") -> dict[str, Any]:
    facts: dict[str, Any] = {"nulls": int(values.isna().sum()), "distinct": int(values.nunique())}
    present = values.dropna()
    if present.empty:
        return facts
    if pd.api.types.is_datetime64_any_dtype(values):
        return facts | {"min": present.min().isoformat(), "max": present.max().isoformat()}
    if pd.api.types.is_numeric_dtype(values):
        return facts | _numeric(present.astype("float64"))
    counts = present.value_counts()
    if len(counts) == len(present):
        return facts  # a key: each value once, so the most frequent say nothing
    return facts | {"top": [[str(value), int(n)] for value, n in counts.head(TOP).items()]}


def _numeric(present: "pd.Series[float]") -> dict[str, Any]:
    quantiles = present.quantile(list(QUANTILES))
    low, high = float(quantiles.iloc[0]), float(quantiles.iloc[-1])
    counts, edges = np.histogram(present.clip(low, high), bins=BINS, range=(low, high if high > low else low + 1))
    return {
        "min": float(present.min()), "max": float(present.max()), "mean": float(present.mean()),
        "std": float(present.std(ddof=0)), "quantiles": {str(q): float(v) for q, v in quantiles.items()},
        "histogram": {"edges": [float(edge) for edge in edges], "counts": [int(n) for n in counts]},
    }  # fmt: skip


def in_interval(frame: pd.DataFrame, time_column: str, start: str, until: str) -> pd.DataFrame:
    """Return the rows with ``start <= time < until``; both are ISO days or instants, UTC where they name no zone."""
    times = frame[time_column]
    return frame[(times >= pd.to_datetime(start, utc=True)) & (times < pd.to_datetime(until, utc=True))]
