"""Calibration of scores: the rising function nearest to what happened. Pure arithmetic over bins."""

import numpy as np

from monitoring.quality.sums import Floats, Ints, middles


def calibrated(no: Ints, yes: Ints) -> Floats:
    """Return, for each bin of score, the probability that it happens, never falling as scores rise. Shape (b,) as given.

    A bin without reference rows takes what lies between its neighbours, beyond the outermost the same as there.

    Args:
        no, yes: (b,) reference rows by bin that did not happen, and that did; some row is needed.

    Source: pool adjacent violators, Ayer et al. 1955.
    """
    used = np.flatnonzero(no + yes)
    weights = (no + yes)[used].astype(np.float64)
    pools: list[list[float]] = []  # mean, weight, how many bins
    for rate, weight in zip(yes[used] / weights, weights, strict=True):
        pools.append([float(rate), float(weight), 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, mass, bins = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * mass) / (last[1] + mass)
            last[1] += mass
            last[2] += bins
    fitted = np.repeat([pool[0] for pool in pools], [int(pool[2]) for pool in pools])
    at = middles()
    found: Floats = np.interp(at, at[used], fitted)
    return found
