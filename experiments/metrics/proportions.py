"""Shares of counts with intervals that hold for few cases."""

import numpy as np

from experiments.metrics.arrays import Z_95, Interval


def wilson_interval(hits: int, total: int, *, z: float = Z_95) -> Interval:
    """Return a proportion (share, 0 to 1) with Wilson's score interval; hits and total are counts.

    Args:
        z: standard errors to either side; the usual one gives 95%.

    Raises:
        ValueError: not 0 <= hits <= total, or total is 0.
    Source: Wilson 1927; Brown, Cai and DasGupta 2001 recommend it over the usual one.
    """
    if not (0 <= hits <= total and total):
        raise ValueError(f"{hits=} {total=}")
    share, z2 = hits / total, z**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = z / (1 + z2 / total) * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # A share of nothing or all is its own bound, which rounding would miss.
    return Interval(share, min(max(0.0, float(middle - half)), share), max(min(1.0, float(middle + half)), share))


def share_difference(one: tuple[int, int], other: tuple[int, int], *, z: float = Z_95) -> Interval:
    """Return the difference of two independent proportions, -1 to 1, each given as (hits, total).

    Raises: ValueError as :func:`wilson_interval`.
    Source: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10.
    """
    a, b = wilson_interval(*one, z=z), wilson_interval(*other, z=z)
    difference = a.value - b.value
    low = difference - float(np.hypot(a.value - a.low, b.high - b.value))
    high = difference + float(np.hypot(a.high - a.value, b.value - b.low))
    return Interval(difference, low, high)


def share_ratio(one: tuple[int, int], other: tuple[int, int], *, z: float = Z_95) -> Interval | None:
    """Return the ratio of two independent proportions, each given as (hits, total), 0 and up.

    Returns: None where either share is 0: the logarithm has no interval then.
    Raises: ValueError where a total is 0.
    Source: Katz et al. 1978, the interval of the logarithm by the delta method.
    """
    (x, m), (y, n) = one, other
    if not (m and n):
        raise ValueError(f"{one=} {other=}")
    if not (x and y):
        return None
    ratio = (x / m) / (y / n)
    error = z * float(np.sqrt(1 / x - 1 / m + 1 / y - 1 / n))
    return Interval(ratio, ratio * float(np.exp(-error)), ratio * float(np.exp(error)))
