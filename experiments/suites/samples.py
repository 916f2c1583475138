"""What is kept of single forecasts and single queries, so that versions can be drawn over each other. Pure, and bounded.

What is kept does not depend on the model, so that samples of two versions, measured on the same rows, are of the same series and queries.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.metrics import Floats, Ints
from experiments.metrics.forecasting import Forecasts
from experiments.suites.errors import MOST_TEXT, WITHHELD
from experiments.suites.parts import Material

MOST_SERIES = 50
MOST_HORIZONS = 6
MOST_TIMES = 40  # of each series, the latest
MOST_QUERIES = 2_000
MOST_TOLD = 4  # columns that tell a query


def evenly(count: int, most: int) -> Ints:
    """Return at most ``most`` of the positions 0 to ``count`` - 1, evenly spread, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def forecast_sample(given: Material, rows: Forecasts) -> list[dict[str, Any]]:
    """Return, of some series, ``{series, times, actual, forecast}``, where ``forecast`` holds values by steps ahead.

    Where quantiles were forecast, ``low`` and ``high`` hold the outermost ones the same way; a place without a value is None.
    Over all origins, so that each time is shown as it was seen so many steps before; ``showing`` has all steps of one origin.
    """
    codes, column = given.codes("series"), given.roles["series"]
    if {given.target, column} & {*given.plan.hidden, *given.plan.groups}:
        return []  # as in error tables, what is hidden is not told
    assert codes is not None  # noqa: S101  the suite needs it
    names = pd.factorize(given.rows[column], use_na_sentinel=False)[1]
    clock = given.rows[given.roles["time"]]
    ahead = np.unique(rows.horizon)
    horizons = ahead[evenly(len(ahead), MOST_HORIZONS)]
    by_name = sorted(np.unique(rows.series).tolist(), key=lambda code: str(names[code]))
    return [
        {"series": str(names[code])[:MOST_TEXT], **_of_series(rows, code, horizons, np.sort(clock[codes == code].unique()))}
        for code in (by_name[i] for i in evenly(len(by_name), MOST_SERIES))
    ]  # fmt: skip


def _of_series(rows: Forecasts, code: int, horizons: Ints, moments: Any) -> dict[str, Any]:
    of = np.flatnonzero(rows.series == code)
    place = rows.origin[of] + rows.horizon[of] - 1  # of what was forecast, among the series' moments
    kept = np.unique(place)[-MOST_TIMES:]
    levels = sorted(rows.quantiles)
    found: dict[str, Any] = {
        "times": [f"{pd.Timestamp(moments[i]):%Y-%m-%d %H:%M}".removesuffix(" 00:00") for i in kept],
        "actual": _values(kept, place, rows.actual[of]),
        "forecast": {},
    }
    drawn = {"forecast": rows.point}
    if len(levels) > 1:
        drawn |= {"low": rows.quantiles[levels[0]], "high": rows.quantiles[levels[-1]]}
        found |= {"low": {}, "high": {}, "levels": [levels[0], levels[-1]]}
    for step in horizons.tolist():
        at = rows.horizon[of] == step
        for name, values in drawn.items():
            found[name][str(step)] = _values(kept, place[at], values[of][at])
    return found


def _values(kept: Ints, place: Ints, values: Floats) -> list[float | None]:
    by_place = dict(zip(place.tolist(), values.tolist(), strict=True))
    return [float(f"{value:.6g}") if math.isfinite(value := by_place.get(i, math.nan)) else None for i in kept.tolist()]


def queries_told(
    given: Material, firsts: pd.DataFrame, shared: list[str], top: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Return what the queries say, and what was put first for each, as ``{columns, rows}`` of plain text.

    Args:
        firsts: (q,) one row of each query.
        shared: columns that are the same for all rows of a query.
        top: (q,) the position of the row that each query was answered with first.
    """
    hidden = {*given.plan.hidden, *given.plan.groups}
    words = [name for name in shared if not pd.api.types.is_numeric_dtype(firsts[name])]
    named = [name for name in (*words, *(n for n in shared if n not in words)) if name not in hidden][:MOST_TOLD]
    answer = given.roles.get("document") or given.roles.get("key")
    columns = {name: firsts[name].tolist() for name in named}
    if answer:
        first = [WITHHELD] * len(top) if answer in hidden else given.rows[answer].iloc[top].tolist()
        columns["put first"] = first
    return {"columns": [*columns], "rows": [[_text(v) for v in row] for row in zip(*columns.values(), strict=True)]}


def _text(value: Any) -> str:
    return "" if pd.isna(value) else (f"{value:.5g}" if isinstance(value, float) else str(value)[:MOST_TEXT])
