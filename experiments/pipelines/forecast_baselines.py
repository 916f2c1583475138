"""What a forecast is held beside before anybody approves it: the same season's value, and exponential smoothing chosen by AICc."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from experiments.metrics import Floats
from experiments.metrics.forecasting import seasonal_scale

Ahead = Callable[[pd.DataFrame, int], Floats]
SEED = 20130101


def compared(
    forecasts: Mapping[str, Floats], actuals: Mapping[str, Floats], histories: Mapping[str, Floats], *, season: int, smoothed: int
) -> dict[str, float]:  # fmt: skip
    """Return mean absolute scaled errors over series, as metrics of a run.

    Args:
        forecasts, actuals: (h,) by series, from the end of its history on.
        season: steps of a season.
        smoothed: to how many series, drawn by chance, exponential smoothing is fitted; it takes about a second each.
    """
    scales = {name: seasonal_scale(histories[name], season) for name in forecasts if name in histories}
    known = [name for name, scale in scales.items() if np.isfinite(scale)]
    if not known:
        return {}

    def mase(of: Mapping[str, Floats], names: list[str]) -> float:
        return float(np.mean([np.abs(actuals[name] - of[name]).mean() / scales[name] for name in names]))

    naive = {name: seasonal_naive(histories[name], season, len(actuals[name])) for name in known}
    found = {"validation_mase": mase(forecasts, known), "validation_mase_seasonal_naive": mase(naive, known)}
    if smoothed:
        drawn = sorted(np.random.default_rng(SEED).permutation(sorted(known))[:smoothed].tolist())
        fitted = {name: smoothing(histories[name], season, len(actuals[name])) for name in drawn}
        found |= {
            "validation_mase_smoothing": mase(fitted, drawn), "validation_mase_of_those_series": mase(forecasts, drawn),
            "smoothed_series": float(len(drawn)),
        }  # fmt: skip
    return found


def seasonal_naive(history: Floats, season: int, steps: int) -> Floats:
    """Return the values of the last season, over and over, (steps,)."""
    return np.resize(history[-season:], steps)


def smoothing(history: Floats, season: int, steps: int) -> Floats:
    """Return (steps,) forecasts of the additive exponential smoothing model with the smallest AICc.

    Tried are a level alone, a trend, and a damped trend, each without and with a season. Where none can be fitted: seasonal-naive.
    Source: Hyndman et al. 2002; the models are statsmodels'.
    """
    seasons = [None, "add"] if 1 < season <= len(history) // 2 else [None]
    best, least = seasonal_naive(history, season, steps), np.inf
    for trend, damped in ((None, False), ("add", False), ("add", True)):
        for kind in seasons:
            model = ETSModel(
                history,
                error="add",
                trend=trend,
                damped_trend=damped,
                seasonal=kind,
                seasonal_periods=season if kind else None,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a model that does not converge is told by its AICc
                fitted = model.fit(disp=False, maxiter=200)
            if np.isfinite(fitted.aicc) and fitted.aicc < least:
                best, least = np.asarray(fitted.forecast(steps), dtype=np.float64), fitted.aicc
    return best
