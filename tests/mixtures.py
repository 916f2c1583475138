"""Evidence on a mean, by another way than the product's."""

import math

import numpy as np

from rollouts.verdicts.sequences import scale


def mixture(z, n, alpha):
    """Integrated over drifts by the midpoint rule; z sqrt(n) is the sum of n standardised terms."""
    r = scale(alpha)
    step = 12 * r / 200_000
    drifts = step * (np.arange(200_000) + 0.5)
    prior = 2 / (r * math.sqrt(2 * math.pi)) * np.exp(-((drifts / r) ** 2) / 2)
    return np.log((prior * np.exp(drifts * z * math.sqrt(n) - n * drifts**2 / 2)).sum() * step)
