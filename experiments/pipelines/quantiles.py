"""Quantiles of forecasts from how far off a model was on validation rows: a rolling-origin backtest, each step ahead by itself. Pure."""

import math

import numpy as np
import numpy.typing as npt

from experiments.metrics import Floats
from experiments.metrics.forecasting import pinball
from serving.contract import Quantiles

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # tried
LEAST_ERRORS = 2  # beyond the outermost level, that a step needs
SMALLEST = 0.05  # of the sizes that are seen, the share below which a row counts as no smaller


def levels_of(count: int) -> list[float]:
    """Return ``count`` evenly spaced levels: 19 are 0.05, 0.10, … 0.95."""
    return [round(place / (count + 1), 6) for place in range(1, count + 1)]


def calibrated(
    forecasts: Floats, came: Floats, lags: Floats, *, levels: list[float], lowest: float | None = None
) -> Quantiles | None:
    """Return quantiles whose offsets are those of the errors of each step.

    The share of errors at or below the k-th smallest of n is taken as k / (n + 1), as in split conformal prediction: a new error from the
    same distribution lies below it with that chance. The power of sizes is the one with the smallest pinball loss.

    Args:
        forecasts, came: (n, h) by origin and step; NaN where nothing came.
        lags: (k, n) former values of each origin, the newest first; NaN where nothing is known.
        lowest: what no value is ever below.

    Returns: None where there are too few errors for the outermost level, or no level.
    Source: Vovk, Gammerman and Shafer 2005 for the ranks; Lei et al. 2018 for errors in units of the row; Taylor 1961 for the power of sizes.
    """
    known = np.isfinite(forecasts) & np.isfinite(came)
    least = math.ceil(LEAST_ERRORS / min(levels[0], 1 - levels[-1])) if levels else 0
    steps = next((step for step, count in enumerate(known.sum(axis=0)) if count < least), known.shape[1])
    if not levels or not steps:
        return None
    sizes = np.abs(lags)[np.isfinite(lags)]
    sizes = sizes[sizes > 0] if (sizes > 0).any() else np.ones(1)
    smallest, usual = (float(np.quantile(sizes, share)) for share in (SMALLEST, 0.5))
    tried = []
    for power in POWERS:
        unit = Quantiles(levels, [], len(lags), power, smallest, usual, lowest)
        scales = unit.scales(lags.tolist())
        errors = (came - forecasts) / scales[:, None]
        offsets = [
            np.quantile(errors[known[:, step], step], levels, method="weibull").tolist() for step in range(steps)
        ]
        made = Quantiles(levels, offsets, len(lags), power, smallest, usual, lowest)
        tried.append((_loss(made, forecasts, came, scales, known), made))
    return min(tried, key=lambda one: one[0])[1]


def _loss(made: Quantiles, forecasts: Floats, came: Floats, scales: Floats, known: npt.NDArray[np.bool_]) -> float:
    there = known[:, : made.steps]
    found = made.around(forecasts[:, : made.steps], scales)[there]
    actual = came[:, : made.steps][there]
    return float(np.mean([pinball(actual, found[:, i], level) for i, level in enumerate(made.levels)]))
