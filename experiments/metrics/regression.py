"""How far numbers lie from what came, row by row. Sums by block of rows, so that the bootstrap adds up instead of measuring anew."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from experiments.metrics.arrays import Floats, Ints, added_up, numbers

Statistic = Callable[[Mapping[str, Floats]], Floats]


def sums(actual: npt.ArrayLike, predicted: npt.ArrayLike, blocks: Ints) -> dict[str, Floats]:
    """Return what the metrics are made of by block, (b,) each.

    Args:
        actual, predicted: (n,) in the unit of the target.
        blocks: (n,) which block each row is in, from 0.

    Raises:
        ValueError: lengths differ, or a number is not finite.
    """
    truth = numbers("actual values", actual)
    error = numbers("predictions", predicted, len(truth)) - truth
    middle = truth - truth.mean()  # so that squares do not drown in a large mean
    columns = {
        "rows": np.ones(len(error)), "absolute": np.abs(error), "squares": error**2, "bias": error, "value": middle,
        "value_squares": middle**2,
    }  # fmt: skip
    return added_up(columns, blocks)


STATISTICS: dict[str, Statistic] = {
    "mean_absolute_error": lambda t: t["absolute"] / t["rows"],
    "root_mean_squared_error": lambda t: np.sqrt(t["squares"] / t["rows"]),
    "r_squared": lambda t: _explained(t),
    "mean_error": lambda t: t["bias"] / t["rows"],
}


def _explained(t: Mapping[str, Floats]) -> Floats:
    """Return the share of the target's variance that is explained, 1 at most; NaN where the target never changes."""
    spread = t["value_squares"] - t["value"] ** 2 / t["rows"]
    lost = np.divide(t["squares"], spread, out=np.full(np.shape(spread), np.nan), where=spread > 0)
    found: Floats = 1 - lost
    return found
