"""How far forecasts lie from what came. Rows of (series, origin, horizon): what was forecast, at the origin, for so many steps later.

Errors are kept as sums by block of rows, so that any set of blocks, taken as often as one likes, gives every metric by adding
up: that is what the bootstrap resamples. Two kinds of average are in use. MASE and sMAPE are means over series of each series' own
mean, as in the M4 competition: a long series counts no more than a short one. All others are over rows.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from experiments.metrics.arrays import Floats, Ints, added_up, numbers


@dataclass(frozen=True)
class Forecasts:
    """n forecasts and what came.

    Attributes:
        series: (n,) which series, from 0.
        origin: (n,) when it was made, from 0 and in order of time.
        horizon: (n,) steps ahead, from 1.
        actual, point: (n,) in the unit of the series.
        scale: (n,) the mean absolute seasonal difference of the series' history; NaN where it has none.
        quantiles: (n,) by level, a share between 0 and 1; NaN where none are known so far ahead.
        ensemble: (n, m) equally likely outcomes; None where there are none.
        spread: (n,) standard deviation, where a normal distribution around the point was forecast.
    """

    series: Ints
    origin: Ints
    horizon: Ints
    actual: Floats
    point: Floats
    scale: Floats
    quantiles: Mapping[float, Floats] = field(default_factory=dict)
    ensemble: Floats | None = None
    spread: Floats | None = None

    @property
    def spread_known(self) -> Any:
        """(n,) Which rows have quantiles, where there are any."""
        return np.logical_and.reduce([np.isfinite(values) for values in self.quantiles.values()])

    def __post_init__(self) -> None:
        n = len(self.actual)
        for name in ("actual", "point"):
            numbers(name, getattr(self, name), n)
        if any(not 0 < level < 1 for level in self.quantiles):
            raise ValueError(f"levels of quantiles lie between 0 and 1, not {', '.join(map(str, self.quantiles))}")


def seasonal_scale(history: npt.ArrayLike, season: int) -> float:
    """Return the mean absolute difference between values one season apart: what MASE divides by, in the series' unit.

    Args:
        history: what came before the forecasts, in order of time.
        season: steps of a season: 1 for none, 4 for quarters, 7 for days, 12 for months.

    Returns: NaN where the history is no longer than a season, or never changes from season to season.
    Raises: ValueError if ``season`` is below 1.
    Source: Hyndman and Koehler 2006; Makridakis et al. 2020 (M4).
    """
    if season < 1:
        raise ValueError(f"{season=}")
    values = np.asarray(history, dtype=np.float64)
    values = values[np.isfinite(values)]
    found = float(np.abs(values[season:] - values[:-season]).mean()) if len(values) > season else 0.0
    return found or float("nan")


def symmetric_errors(actual: Floats, point: Floats) -> Floats:
    """Return each row's symmetric absolute percentage error, 0 to 2: the distance over the mean of both sizes; 0 where both are 0.

    Source: Makridakis et al. 2020 (M4), which multiplies it by 100. There are others: with the sum in place of the mean it
    ends at 1, and without the absolute values below the line it may be negative.
    """
    size = np.abs(actual) + np.abs(point)
    found: Floats = np.divide(2 * np.abs(actual - point), size, out=np.zeros(len(actual)), where=size > 0)
    return found


def pinball(actual: Floats, quantile: Floats, level: float) -> Floats:
    """Return each row's pinball loss of a quantile, in the series' unit: misses above cost ``level``, those below the rest.

    Source: Koenker and Bassett 1978.
    """
    above = actual - quantile
    return np.maximum(level * above, (level - 1) * above)


def crps_of_quantiles(actual: Floats, quantiles: Mapping[float, Floats]) -> Floats:
    """Return each row's continuous ranked probability score from quantiles, in the series' unit: twice their mean pinball loss.

    It approaches the score of the whole distribution as evenly spaced levels grow dense; with few it leaves out the tails.

    Source: Gneiting and Ranjan 2011; Bracher et al. 2021 for the weights of levels.
    """
    losses = [pinball(actual, values, level) for level, values in quantiles.items()]
    found: Floats = 2 * np.mean(losses, axis=0)
    return found


def crps_of_ensemble(actual: Floats, ensemble: Floats) -> Floats:
    """Return each row's continuous ranked probability score of (n, m) equally likely outcomes, in the series' unit.

    It is the score of the ensemble's own distribution: mean distance to the actual less half the mean distance between members.

    Source: Gneiting and Raftery 2007, eq. 20-21; the second term from the sorted members, as in Zamo and Naveau 2018.
    """
    ordered = np.sort(ensemble, axis=1)
    m = ordered.shape[1]
    apart = ordered @ (2 * np.arange(m) - m + 1) / m**2
    found: Floats = np.abs(ordered - actual[:, None]).mean(axis=1) - apart
    return found


def crps_of_normal(actual: Floats, mean: Floats, spread: Floats) -> Floats:
    """Return each row's continuous ranked probability score of a normal distribution, in the series' unit.

    Raises:
        ValueError: a standard deviation is not above 0.
    Source: Gneiting et al. 2005, eq. 5.
    """
    if not (spread > 0).all():
        raise ValueError("standard deviations must be above 0")
    z = (actual - mean) / spread
    found: Floats = spread * (z * (2 * scipy.stats.norm.cdf(z) - 1) + 2 * scipy.stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    return found


def crps(rows: Forecasts) -> Floats | None:
    """Return each row's continuous ranked probability score from what was forecast: ensemble, normal or quantiles, in this order.

    Returns: None where a point is all there is.
    """
    if rows.ensemble is not None:
        return crps_of_ensemble(rows.actual, rows.ensemble)
    if rows.spread is not None:
        return crps_of_normal(rows.actual, rows.point, rows.spread)
    return crps_of_quantiles(rows.actual, rows.quantiles) if len(rows.quantiles) > 1 else None


INTERVALS = (50, 80, 90, 95)  # percent inside, that are told


def central_intervals(levels: Collection[float]) -> dict[int, tuple[float, float]]:
    """Return the intervals to tell that the levels of quantiles give: by percent inside, the lower and the upper level."""
    found = {}
    for low in sorted(levels):
        high = next((level for level in levels if abs(level - (1 - low)) < 1e-9), None)
        if low < 0.5 and high is not None and (percent := round(100 * (high - low))) in INTERVALS:
            found[percent] = (low, high)
    return found


Statistic = Callable[[Mapping[str, Floats]], Floats]


def sums(rows: Forecasts, blocks: Ints) -> dict[str, Floats]:
    """Return what metrics are made of, added up by block, (b,) each; rows without a scale enter no MASE.

    Args:
        blocks: (n,) which block each row is in, from 0.
    """
    error = rows.actual - rows.point
    scaled = np.abs(error) / rows.scale
    known = np.isfinite(scaled)
    columns: dict[str, Floats] = {
        "rows": np.ones(len(error)), "absolute": np.abs(error), "squares": error**2, "bias": -error,
        "size": np.abs(rows.actual),
    }  # fmt: skip
    each = _series_share(rows.series, np.ones(len(error), dtype=bool))
    columns |= {"smape": symmetric_errors(rows.actual, rows.point) * each, "series": each}
    if known.any():
        each = _series_share(rows.series, known)
        columns |= {"mase": np.where(known, scaled, 0.0) * each, "scaled_series": each}
    if rows.quantiles:
        spread = rows.spread_known
        losses = [pinball(rows.actual, values, level) for level, values in rows.quantiles.items()]
        columns |= {"spread_rows": spread.astype(np.float64), "pinball": np.where(spread, np.mean(losses, axis=0), 0.0)}
    if (score := crps(rows)) is not None:
        scored = np.isfinite(score)
        columns |= {"crps_rows": scored.astype(np.float64), "crps": np.where(scored, score, 0.0)}
    for percent, (low, high) in central_intervals(rows.quantiles).items():
        inside = (rows.quantiles[low] <= rows.actual) & (rows.actual <= rows.quantiles[high])
        width = np.where(rows.spread_known, rows.quantiles[high] - rows.quantiles[low], 0.0)
        columns |= {f"inside_{percent}": inside.astype(np.float64), f"width_{percent}": width}
    return added_up(columns, blocks)


def _series_share(series: Ints, counted: npt.NDArray[np.bool_]) -> Floats:
    """Return each counted row's share of its series; they add up to 1 in each series, so that series count alike."""
    counts = np.bincount(series[counted], minlength=int(series.max()) + 1)
    return np.where(counted, 1 / np.maximum(counts[series], 1), 0.0)


def statistics(of: Collection[str]) -> dict[str, Statistic]:
    """Return the metrics that the sums give, each a function of totals, which may be of any shape.

    ``mase`` and ``smape`` (0 to 2) are means over series; ``wape`` is a share; the rest is in the unit of the series.
    """
    found: dict[str, Statistic] = {
        "smape": lambda t: t["smape"] / t["series"],
        "wape": lambda t: _over(t["absolute"], t["size"]),
        "mean_absolute_error": lambda t: t["absolute"] / t["rows"],
        "root_mean_squared_error": lambda t: np.sqrt(t["squares"] / t["rows"]),
        "forecast_bias": lambda t: t["bias"] / t["rows"],
    }
    if "mase" in of:
        found["mase"] = lambda t: _over(t["mase"], t["scaled_series"])
    for name, total, rows in (("pinball_loss", "pinball", "spread_rows"), ("crps", "crps", "crps_rows")):
        if total in of:
            found[name] = _mean_of(total, rows)
    for total in of:
        for begins, name in (("inside_", "coverage"), ("width_", "width")):
            if total.startswith(begins):
                found[f"{name}_{total.removeprefix(begins)}pct"] = _mean_of(total, "spread_rows")
    return found


def _mean_of(total: str, rows: str) -> Statistic:
    return lambda t: _over(t[total], t[rows])


def _over(one: Floats, other: Floats) -> Floats:
    """Return the ratio; NaN where there is nothing to divide by."""
    found: Floats = np.divide(one, other, out=np.full(np.shape(one), np.nan), where=np.asarray(other) > 0)
    return found
