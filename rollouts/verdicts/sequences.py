"""Confidence sequences for a mean: intervals that hold at all times at once, by the time-uniform central limit theorem.

A sum of n independent terms behaves, from a first hundred or so on, like a Brownian motion at time n, uniformly in time. Against a mean of
at most m the mixture of its likelihood ratios over positive drifts, half normal with scale r, is

    log E = log 2 - log(n r^2 + 1) / 2 + u^2 / 2 + log Phi(u),   u = z sqrt(n r^2 / (n r^2 + 1)),   z = (estimate - m) / standard error

and the lowest m that is not rejected at E >= 1 / alpha is a lower bound that holds at all times with probability at least 1 - alpha,
asymptotically. It is the one-sided sequence of the paper before its last rounding up (2 Phi(u) >= 1).

References:
    I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, Time-uniform central limit theory and asymptotic confidence
    sequences, Ann. Statist. 52 (2024), section 2 and appendix B.
    H. Robbins, D. Siegmund, Boundary crossing probabilities for the Wiener process, Ann. Math. Statist. 41 (1970).
"""

import math

TIGHTEST_AT = 5_000  # values of both arms at which the sequence is narrowest; it may be read at any other number
MIN_VALUES = 100  # of each arm: below, a sum is not near enough to normal


def scale(alpha: float) -> float:
    """Return r, for which the sequence at level ``alpha`` is narrowest at :data:`TIGHTEST_AT` values."""
    log = -2 * math.log(alpha)
    return math.sqrt((log + math.log(log + 1)) / TIGHTEST_AT)


def log_evidence(z: float, n: int, alpha: float) -> float:
    """Return log E for "the mean exceeds m", from z = (estimate - m) / standard error after n values; it rises with z."""
    information = n * scale(alpha) ** 2
    u = z * math.sqrt(information / (information + 1))
    return math.log(2) - math.log1p(information) / 2 + u * u / 2 + _log_normal_below(u)


def critical(n: int, alpha: float) -> float:
    """Return the z at which ``log_evidence`` reaches log(1 / alpha): the half-width of the sequence in standard errors."""
    low, high = 0.0, 1.0
    while log_evidence(high, n, alpha) < -math.log(alpha):
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if log_evidence(middle, n, alpha) < -math.log(alpha) else (low, middle)
    return high


def _log_normal_below(u: float) -> float:
    """Return log Phi(u), also where Phi itself is too small for a float."""
    if u > -30:
        return math.log(math.erfc(-u / math.sqrt(2)) / 2)
    return -u * u / 2 - math.log(-u) - math.log(2 * math.pi) / 2
