"""How far beside a forecast what comes may lie: a file beside the model's, written at training and read where forecasts are given.

A quantile is the forecast plus an offset of its step and level, times the size of the row: the mean size of its former values, raised to a
power between 0 (all series miss alike) and 1 (twice as large a series misses by twice as much). Offsets rise with the level, so
quantiles never cross.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

QUANTILES_FILE = "quantiles.json"
MOST_LEVELS = 99

Floats = npt.NDArray[np.float64]


class Quantiles(msgspec.Struct, frozen=True):
    """What the file holds."""

    levels: list[float]  # rising, between 0 and 1
    offsets: list[list[float]]  # of each step, 1 first, by level
    lags: int  # the row's size is the mean of |lag_1| … |lag_k|
    power: float
    least: float  # no row counts as smaller, in the series' unit
    usual: float  # the size of a row without any former value
    lowest: float | None = None  # what comes is never below

    @property
    def steps(self) -> int:
        """How many steps ahead they are known."""
        return len(self.offsets)

    def scales(self, lags: Sequence[Sequence[float | None]]) -> Floats:
        """Return what the offsets are multiplied by, (n,).

        Args:
            lags: by lag, the newest first, (n,) each; None or NaN where nothing is known.
        """
        sizes = np.abs(np.asarray(lags[: self.lags], dtype=np.float64))
        known = np.isfinite(sizes)
        count = known.sum(axis=0)
        total = np.where(known, sizes, 0.0).sum(axis=0)
        sizes = np.where(count > 0, total / np.maximum(count, 1), self.usual)
        found: Floats = np.power(np.maximum(sizes, self.least), self.power)
        return found

    def around(self, forecasts: Floats, scales: Floats) -> Floats:
        """Return the quantiles of (n, h) forecasts, (n, h, levels); NaN in steps further ahead than they are known."""
        ahead = forecasts.shape[1]
        offsets = np.full((ahead, len(self.levels)), np.nan)
        offsets[: self.steps] = np.asarray(self.offsets)[:ahead]
        found: Floats = forecasts[:, :, None] + scales[:, None, None] * offsets
        bounded: Floats = found if self.lowest is None else np.maximum(found, self.lowest)
        return bounded


def read_quantiles(data: bytes) -> Quantiles:
    """Return what the file's bytes hold.

    Raises:
        ValueError: they hold no such thing, or quantiles that would cross; says what.
    """
    found = msgspec.json.decode(data, type=Quantiles)
    numbers = [found.power, found.least, found.usual, *found.levels, *(v for step in found.offsets for v in step)]
    if not all(map(math.isfinite, numbers)) or not (found.lowest is None or math.isfinite(found.lowest)):
        raise ValueError("it holds what is no number")
    if not 1 <= len(found.levels) <= MOST_LEVELS or not _rise([0.0, *found.levels, 1.0], strictly=True):
        raise ValueError(f"its levels are not 1 to {MOST_LEVELS} rising shares between 0 and 1")
    if not found.offsets or any(len(step) != len(found.levels) or not _rise(step) for step in found.offsets):
        raise ValueError("its offsets are not one rising list of the levels' length for each step")
    if found.lags < 1 or not 0 <= found.power <= 1 or found.least <= 0 or found.usual <= 0:
        raise ValueError("lags is below 1, power not between 0 and 1, or a size not above 0")
    return found


def _rise(values: Sequence[float], *, strictly: bool = False) -> bool:
    return all(low < high if strictly else low <= high for low, high in pairwise(values))
