"""What is measured of forecasts: every origin of the held-out rows, every horizon, every series. Pure: rows and answers in, measurements out.

Held-out rows are a rolling-origin backtest: each row is asked for as if it were the present. Its target is what came one step
later; what came two steps later is the target of the next row of its series. A data set with a column ``horizon`` says itself how far
ahead each row looks, and its time is that of the target.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from experiments.metrics import Floats, Ints
from experiments.metrics.arrays import added_up
from experiments.metrics.bootstrap import OfTotals, differences_of_sums, intervals_of_sums
from experiments.metrics.forecasting import Forecasts, pinball, seasonal_scale, statistics, sums
from experiments.rows.roles import BINARY, GRADE, HORIZON, NUMBER
from experiments.suites.errors import error_table
from experiments.suites.parts import (
    BOOTSTRAP,
    SEED,
    Answers,
    Material,
    Measurement,
    Suite,
    UnmeasurableError,
    decided,
    measurement,
)
from experiments.suites.samples import forecast_sample
from experiments.suites.showing import series_shown
from experiments.suites.slicing import candidates, worst

FEW_SERIES = 10  # with fewer, stretches of each series are drawn instead of whole ones
MOST_HORIZONS = 24  # that are recorded one by one
MOST_SERIES = 200  # whose own values are kept, the worst ones
BY_STEP = ("mase", "wape", "mean_absolute_error")


def measure(given: Material) -> list[Measurement]:
    """Return every measurement of the suite.

    Raises:
        UnmeasurableError: the target holds no numbers, or no row is followed by what was forecast.
    """
    rows, places = forecasts(given, given.version)
    blocks, how = _blocks(rows, given.plan.season)
    method = f"{BOOTSTRAP} of {how}"
    ours = sums(rows, blocks)
    of = statistics(ours)
    main = "mase" if "mase" in of else "wape"
    n, count = len(rows.actual), int(blocks.max()) + 1
    given.progress(0.2, "Drawing resamples")
    found = []
    for name, one in intervals_of_sums(ours, of, seed=SEED).items():
        detail = _about(given, rows, places, main) if name == main else {}
        found.append(measurement(name, one, n, method, **_definition(name, given, rows), **detail))
    found += _by_horizon(rows, blocks, method) + _by_level(rows, blocks, method)
    if given.champion is not None:
        given.progress(0.6, "Comparing with the champion")
        theirs, same = forecasts(given, given.champion)
        found += _against(rows, places, theirs, same, given.plan.season)
    return [decided(one, count, _least(given), "blocks of forecasts") for one in found]


def forecasts(given: Material, model: Answers) -> tuple[Forecasts, Ints]:
    """Return the forecasts of ``model`` with what came, and the position of the row that each was made of."""
    answers = model.held_out
    series, times = given.codes("series"), given.rows[given.roles["time"]]
    assert series is not None  # noqa: S101  the suite needs it
    try:
        target = given.rows[given.target].to_numpy(dtype=np.float64)
    except (ValueError, TypeError):
        raise UnmeasurableError(f"{given.target} holds no numbers, so there is nothing to be off from.") from None
    rank = times.groupby(series).rank(method="dense").to_numpy(dtype=np.int64) - 1
    if answers.ndim == 1 or HORIZON in given.rows:
        ahead = (
            given.rows[HORIZON].to_numpy(dtype=np.int64) if HORIZON in given.rows else np.ones(len(target), np.int64)
        )
        places, origin, actual, point = (
            np.arange(len(target)),
            rank - ahead + 1,
            target,
            answers.reshape(len(target), -1)[:, 0],
        )
    else:
        places, ahead, actual, point = _unrolled(series, rank, target, answers)
        origin = rank[places]
    known = np.isfinite(actual) & np.isfinite(point)
    if not known.any():
        raise UnmeasurableError("no row is followed by what was forecast, so there is nothing to measure")
    places, ahead = places[known], ahead[known]
    of = series[places]
    quantiles = {level: values[places, ahead - 1] for level, values in model.quantiles.items()}
    return Forecasts(of, origin[known], ahead, actual[known], point[known], _scales(given)[of], quantiles), places


def _unrolled(series: Ints, rank: Ints, target: Floats, answers: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """Return, for each row and step that came, the row's position, the step, what came and what was forecast."""
    order = np.lexsort((rank, series))
    steps = answers.shape[1]
    parts = []
    for step in range(1, steps + 1):
        now, then = order[: len(order) - step + 1], order[step - 1 :]
        same = series[now] == series[then]
        parts.append((now[same], np.full(int(same.sum()), step), target[then[same]], answers[now[same], step - 1]))
    places, ahead, actual, point = (np.concatenate(part) for part in zip(*parts, strict=True))
    return places, ahead, actual, point


def _scales(given: Material) -> Floats:
    """Return the scale of each series by its code; NaN where nothing is known of what came before."""
    names = pd.factorize(given.rows[given.roles["series"]], use_na_sentinel=False)[1]
    if given.history is None:
        return np.full(len(names), np.nan)
    time, column = given.roles["time"], given.roles["series"]
    before = given.history.sort_values(time).drop_duplicates([column, time])
    by_series = {
        name: seasonal_scale(values.to_numpy(dtype=np.float64), given.plan.season)
        for name, values in before.groupby(column, dropna=False)[given.target]
    }
    return np.array([by_series.get(name, np.nan) for name in names])


def _blocks(rows: Forecasts, season: int) -> tuple[Ints, str]:
    """Return which block each forecast is in: errors of one series, or of one stretch of it, hang together."""
    if len(np.unique(rows.series)) >= FEW_SERIES:
        return np.unique(rows.series, return_inverse=True)[1], "whole series"
    long = max(int(rows.horizon.max()), season)
    stretch = rows.origin // long
    keys = rows.series * (int(stretch.max()) - int(stretch.min()) + 1) + stretch - stretch.min()
    return np.unique(keys, return_inverse=True)[1], f"stretches of {long} origins, since there are few series"


def _least(given: Material) -> int:
    return min(given.plan.least_positives, 10)


def _definition(name: str, given: Material, rows: Forecasts) -> dict[str, Any]:
    if name == "smape":
        return {"definition": "M4: twice the distance over the sum of both sizes, 0 to 2; mean over series"}
    if name == "mase":
        return {
            "definition": f"M4: mean over series; scaled by differences {given.plan.season} apart in the rows before"
        }
    if name == "crps" and rows.quantiles:
        spread = rows.spread_known
        below = {level: float((rows.actual <= values)[spread].mean()) for level, values in rows.quantiles.items()}
        return {
            "definition": f"twice the mean pinball loss of {len(rows.quantiles)} evenly spaced quantiles",
            "reached": [{"level": level, "below": round(share, 6)} for level, share in below.items()],
        }
    return {}


def _about(given: Material, rows: Forecasts, places: Ints, main: str) -> dict[str, Any]:
    """Return what explains the main metric: by horizon and series, where it is worst, and the worst forecasts."""
    error = rows.point - rows.actual
    scaled = np.abs(error) / (rows.scale if main == "mase" else 1.0)
    counted = np.isfinite(scaled)
    names = pd.factorize(given.rows[given.roles["series"]], use_na_sentinel=False)[1]
    of_row = replace(given, rows=given.rows.iloc[places])
    features = [name for name in dict.fromkeys([*given.features, *given.plan.slices]) if name in given.rows]
    parts = candidates(of_row.rows, features, given.categorical, least=given.plan.least_positives)
    search = worst(
        parts, np.where(counted, scaled, 0.0), counted, least=given.plan.least_positives, higher_is_better=False
    )
    order = np.argsort(-np.where(counted, scaled, -1.0), kind="stable")
    by_series = _by_series(rows, names, main)
    return {
        "series": len(np.unique(rows.series)), "origins": len(np.unique(rows.origin)), "season": given.plan.season,
        "by_horizon": _table(rows, rows.horizon), "by_series": by_series,
        "worst_parts": {"metric": main, "unit": "absolute error" if main != "mase" else "scaled error", **search.told()},
        "errors": error_table(of_row, order, horizon=rows.horizon, actual=rows.actual, forecast=rows.point, error=error),
        "series_shown": series_shown(given, rows, names, worst=[str(one["of"]) for one in by_series]),
        "sample": forecast_sample(given, rows),
    }  # fmt: skip


def _table(rows: Forecasts, of: Ints) -> list[dict[str, float]]:
    """Return every metric by value of ``of``, rising."""
    names, codes = np.unique(of, return_inverse=True)
    totals = sums(rows, codes)
    values = {name: statistic(totals) for name, statistic in statistics(totals).items()}
    counts = np.bincount(codes)
    return [
        {"of": int(name), "forecasts": int(counts[i])}
        | {metric: round(float(found[i]), 6) for metric, found in values.items() if np.isfinite(found[i])}
        for i, name in enumerate(names)
    ]


def _by_series(rows: Forecasts, names: Any, main: str) -> list[dict[str, Any]]:
    """Return every metric of each series, the worst first."""
    table = sorted(_table(rows, rows.series), key=lambda one: -one.get(main, 0.0))[:MOST_SERIES]
    return [one | {"of": str(names[int(one["of"])])[:100]} for one in table]


def _by_horizon(rows: Forecasts, blocks: Ints, method: str) -> list[Measurement]:
    """Return the metrics of each horizon, where there is more than one."""
    horizons = np.unique(rows.horizon)[:MOST_HORIZONS]
    found = []
    for ahead in horizons if len(horizons) > 1 else ():
        of = rows.horizon == ahead
        some = _some(rows, of)
        totals = sums(some, np.unique(blocks[of], return_inverse=True)[1])
        wanted = {name: statistic for name, statistic in statistics(totals).items() if name in BY_STEP}
        for name, one in intervals_of_sums(totals, wanted, seed=SEED).items():
            found.append(replace(measurement(name, one, int(of.sum()), method), data_slice=f"horizon={ahead}"))
    return found


def _by_level(rows: Forecasts, blocks: Ints, method: str) -> list[Measurement]:
    """Return the pinball loss of each level of quantiles."""
    if not rows.quantiles:
        return []
    losses, levels = _losses(rows, blocks)
    n = int(rows.spread_known.sum())
    return [
        replace(measurement("pinball_loss", one, n, method), data_slice=f"level={level}")
        for level, one in intervals_of_sums(losses, levels, seed=SEED).items()
    ]


def _losses(rows: Forecasts, blocks: Ints) -> tuple[dict[str, Floats], dict[str, OfTotals]]:
    """Return the pinball losses by level, added up by block, and their means."""
    of = rows.spread_known
    losses = {f"{level:g}": pinball(rows.actual, values, level)[of] for level, values in rows.quantiles.items()}
    parts = np.unique(blocks[of], return_inverse=True)[1]
    return added_up({"rows": np.ones(int(of.sum())), **losses}, parts), {level: _mean(level) for level in losses}


def _mean(name: str) -> OfTotals:
    return lambda totals: totals[name] / totals["rows"]


def _some(rows: Forecasts, of: Any) -> Forecasts:
    return Forecasts(
        rows.series[of], rows.origin[of], rows.horizon[of], rows.actual[of], rows.point[of], rows.scale[of],
        {level: values[of] for level, values in rows.quantiles.items()},
        None if rows.ensemble is None else rows.ensemble[of], None if rows.spread is None else rows.spread[of],
    )  # fmt: skip


def _against(rows: Forecasts, places: Ints, theirs: Forecasts, same: Ints, season: int) -> list[Measurement]:
    """Return the differences on the forecasts that both models made: of the same row, as far ahead."""
    ours_key, theirs_key = (
        list(zip(p.tolist(), r.horizon.tolist(), strict=True)) for p, r in ((places, rows), (same, theirs))
    )
    both = set(ours_key) & set(theirs_key)
    one = _some(rows, np.array([key in both for key in ours_key]))
    other = _some(theirs, np.array([key in both for key in theirs_key]))
    one, other = _same_spread(one, other)
    blocks, how = _blocks(one, season)
    ours, champion = sums(one, blocks), sums(other, blocks)
    of = {name: statistic for name, statistic in statistics(ours).items() if name in statistics(champion)}
    reached = {name: float(statistic({k: v.sum() for k, v in champion.items()})) for name, statistic in of.items()}
    apart = differences_of_sums(ours, champion, of, seed=SEED)
    method = f"{BOOTSTRAP} of {how}, the same forecasts for both models"
    told: dict[str, Any] = {}
    if one.quantiles and "pinball_loss" in apart:
        (our_losses, levels), (their_losses, _) = _losses(one, blocks), _losses(other, blocks)
        by_level = differences_of_sums(our_losses, their_losses, levels, seed=SEED)
        told = {"by_level": [{"level": float(level), **found._asdict()} for level, found in by_level.items()]}
    return [
        replace(
            measurement(
                name, found, len(one.actual), method, champion_value=reached[name], **(told if name == "pinball_loss" else {})
            ),
            paired=True,
        )
        for name, found in apart.items()
    ]  # fmt: skip


def _same_spread(one: Forecasts, other: Forecasts) -> tuple[Forecasts, Forecasts]:
    """Return both with those quantiles alone that both have, of the same level and forecast."""
    levels = [level for level in one.quantiles if level in other.quantiles]
    if not levels:
        return replace(one, quantiles={}), replace(other, quantiles={})
    both = one.spread_known & other.spread_known
    first, second = (
        replace(rows, quantiles={level: np.where(both, rows.quantiles[level], np.nan) for level in levels})
        for rows in (one, other)
    )
    return first, second


_POINT = ("mase", "smape", "wape", "mean_absolute_error", "root_mean_squared_error", "forecast_bias")
_SPREAD = ("pinball_loss", "crps", "coverage_80pct", "coverage_90pct", "width_80pct", "width_90pct")  # of quantiles
SUITE = Suite(
    task="forecasting", name="forecasting-2", measure=measure, targets=(BINARY, GRADE, NUMBER), needs=("time", "series"),
    metrics=(*_POINT, *_SPREAD), compared=(*_POINT, *_SPREAD), steps=True,
)  # fmt: skip
