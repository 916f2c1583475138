"""What all metrics are made of: arrays, and a value between the ends of its interval."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A value with the ends of its 95% interval, all in the unit of the value."""

    value: float
    low: float
    high: float


def numbers(name: str, values: npt.ArrayLike, rows: int | None = None) -> Floats:
    """Return finite numbers, (n,).

    Args:
        rows: n, where it is known.

    Raises:
        ValueError: they are of another shape, or one is not finite.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or (rows is not None and len(found) != rows):
        raise ValueError(f"{name} are {found.shape}; they must be ({'n' if rows is None else rows},)")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite numbers")
    return found


def added_up(columns: Mapping[str, Floats], blocks: Ints) -> dict[str, Floats]:
    """Return the sums of each column by block, (b,).

    Args:
        columns: (n,) each.
        blocks: (n,) which block each row is in, from 0.
    """
    count = int(blocks.max()) + 1
    return {
        name: np.bincount(blocks, values, minlength=count).astype(np.float64) for name, values in columns.items()
    }  # fmt: skip
