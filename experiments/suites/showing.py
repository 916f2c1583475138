"""Forecasts as people look at them: of some series, what came before, what was forecast from one origin on, and what came. Pure.

Most of the series are chosen by the rows alone, so that versions measured on the same rows show the same ones and can be drawn over
each other. The form, kept in the detail of the main metric as ``series_shown``::

    {"interval": 80,                      # percent that should lie inside; None where no quantiles are forecast
     "series": [{"of": "Sydney / Business", "chosen": "largest",     # or drawn, or worst (of this version)
                 "times": ["2014-01-01T00:00:00+00:00", …],          # of each value: first what came before, then the steps
                 "actual": [561.2, …],                               # as many; None where nothing is known
                 "begins": 24,                                       # the place in times of the first step
                 "forecast": [570.1, …],                             # of the steps: len(times) - begins
                 "low": [512.8, …], "high": [640.0, …]}]}            # likewise; None without quantiles
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.metrics import Floats, Ints
from experiments.metrics.forecasting import Forecasts, central_intervals
from experiments.suites.parts import Material

MOST_SHOWN = 50
LARGEST, WORST = 20, 10  # of them; the others are drawn
MOST_BEFORE, MOST_STEPS = 24, 60
WIDEST = 80  # percent inside


def series_shown(given: Material, rows: Forecasts, names: Any, *, worst: Sequence[str]) -> dict[str, Any]:
    """Return at most fifty series with their forecasts from the origin whose steps are best known, the earliest of these.

    Args:
        names: of the series by code.
        worst: names of the series that the model does worst on, the worst first.
    """
    if {given.target, given.roles["series"]} & {*given.plan.hidden, *given.plan.groups}:
        return {"interval": None, "series": []}  # as in error tables, what is hidden is not told
    codes = {str(name)[:100]: code for code, name in enumerate(names)}
    bounds = central_intervals(rows.quantiles)
    percent = WIDEST if WIDEST in bounds else max(bounds, default=None)
    series = [
        {"of": name, "chosen": why, **_drawn(given, rows, codes[name], bounds.get(percent or 0))}
        for name, why in _chosen(rows, codes, worst).items()
    ]
    return {"interval": percent, "series": series}


def _chosen(rows: Forecasts, codes: dict[str, int], worst: Sequence[str]) -> dict[str, str]:
    """Return names of series and why each is shown; the first thirty to forty are the same for every model."""
    size = np.bincount(rows.series, np.abs(rows.actual), len(codes))
    there = set(rows.series.tolist())
    known = [name for name, code in codes.items() if code in there]
    by_size = sorted(known, key=lambda name: (-size[codes[name]], name))
    found = dict.fromkeys(by_size[:LARGEST], "largest")
    rest = sorted(name for name in known if name not in found)
    order = np.argsort(pd.util.hash_array(np.asarray(rest, dtype=object)))
    found |= {rest[place]: "drawn" for place in order[: MOST_SHOWN - WORST - len(found)]}
    more = [name for name in worst if name not in found and name in codes]
    return found | dict.fromkeys(more[: min(WORST, MOST_SHOWN - len(found))], "worst")


def _drawn(given: Material, rows: Forecasts, code: int, bounds: tuple[float, float] | None) -> dict[str, Any]:
    mine = np.flatnonzero(rows.series == code)
    origins, counts = np.unique(rows.origin[mine], return_counts=True)
    first = int(origins[counts.argmax()])
    steps = mine[rows.origin[mine] == first]
    steps = steps[np.argsort(rows.horizon[steps])][:MOST_STEPS]
    held_out = np.asarray(given.codes("series")) == code
    time, target = given.roles["time"], given.target
    own: pd.DataFrame = given.rows.loc[held_out].drop_duplicates(time).sort_values(time)
    name = own[given.roles["series"]].iloc[0]
    history = given.history
    past = own.iloc[: max(first, 0)]
    if history is not None:
        before: pd.DataFrame = history.loc[history[given.roles["series"]] == name]
        past = pd.concat([before.drop_duplicates(time).sort_values(time), past])
    times = [*past[time].tail(MOST_BEFORE), *own[time].iloc[(first + rows.horizon[steps] - 1).tolist()]]
    actual = [*past[target].tail(MOST_BEFORE).to_numpy(dtype=np.float64), *rows.actual[steps]]
    low, high = (_plain(rows.quantiles[level][steps]) if bounds else None for level in bounds or (0.0, 0.0))
    return {
        "times": [moment.isoformat() for moment in times], "actual": _plain(np.asarray(actual)),
        "begins": len(times) - len(steps), "forecast": _plain(rows.point[steps]), "low": low, "high": high,
    }  # fmt: skip


def _plain(values: Floats | Ints) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]
