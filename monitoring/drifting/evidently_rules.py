"""Which test Evidently 0.7 takes for a column by default, and what it then says. Pure arithmetic.

A reference of up to 1,000 values is tested (Kolmogorov-Smirnov, or chi-squared or z for up to five distinct values), a larger one is
held to a distance. Source: evidently.legacy.calculations.stattests of evidently 0.7.23 (Apache-2.0), read and not copied.
"""

import numpy as np
from scipy.special import ndtr

from monitoring.drifting.samples import Numbers, Pair, chi_squared_p_value, jensen_shannon

SMALL = 1_000
FEW = 5
SIGNIFICANCE, DISTANCE = 0.05, 0.1
SHARE = 0.5  # of columns, from which on the data set counts as drifted


def decide(pair: Pair) -> tuple[str, float, float, bool]:
    """Return (test, score, threshold, drifted) of a column with values on both sides."""
    values = len(pair.values) if pair.values is not None else FEW + 1
    plain = isinstance(pair, Numbers) and values > FEW
    if pair.reference_n > SMALL:
        if isinstance(pair, Numbers) and plain:
            return _distance("Wasserstein distance (normed)", pair.wasserstein)
        return _distance("Jensen-Shannon distance", jensen_shannon(*pair.counts))
    if isinstance(pair, Numbers) and plain:
        return "K-S p_value", pair.ks_p_value, SIGNIFICANCE, pair.ks_p_value <= SIGNIFICANCE
    if values > 2:
        score, name = chi_squared_p_value(*pair.counts), "chi-square p_value"
    else:
        score, name = _z_p_value(pair), "Z-test p_value"
    return name, score, SIGNIFICANCE, score < SIGNIFICANCE


def drifted(decisions: list[bool]) -> bool:
    """Return whether the data set as a whole counts as drifted."""
    return bool(decisions) and sum(decisions) / len(decisions) >= SHARE


def _distance(name: str, score: float) -> tuple[str, float, float, bool]:
    return name, score, DISTANCE, score >= DISTANCE


def _z_p_value(pair: Pair) -> float:
    """Return the two-sided p-value of the difference of the shares of one of two values; 1 where there is one value alone."""
    before, now = pair.counts
    if before.size == 1:
        return 1.0
    shares = before[0] / pair.reference_n, now[0] / pair.n
    share = (before[0] + now[0]) / (pair.reference_n + pair.n)
    z = (shares[0] - shares[1]) / np.sqrt(share * (1 - share) * (1 / pair.reference_n + 1 / pair.n))
    return float(2 * (1 - ndtr(abs(z))))
