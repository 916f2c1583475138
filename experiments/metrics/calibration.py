"""Whether probabilities hold: what is said to happen in 40 of 100 cases should happen in about 40.

Labels, scores and weights as in :mod:`experiments.metrics.classification`; scores are probabilities.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.metrics.arrays import Ints


def brier_score(labels: npt.ArrayLike, scores: npt.ArrayLike, weights: Ints | None = None) -> float:
    """Return the mean squared distance between probability and outcome (0 is perfect, 1 the worst)."""
    distance = np.asarray(scores, dtype=np.float64) - np.asarray(labels, dtype=np.float64)
    return float(np.average(distance**2, weights=weights))


@dataclass(frozen=True)
class Reliability:
    """Rows in bins of equal mass, lowest scores first.

    Attributes:
        order: (n,) positions of the rows, lowest score first.
        starts: (b,) position in that order of the first row of each bin.
    """

    order: Ints
    starts: Ints


def reliability(scores: npt.ArrayLike, *, bins: int = 15) -> Reliability:
    """Return ``bins`` bins of equally many rows; fewer where equal scores would be torn apart.

    Raises:
        ValueError: ``bins`` is below 1.
    """
    if bins < 1:
        raise ValueError(f"{bins=}")
    given = np.asarray(scores, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    edges = given[order][np.arange(bins) * len(given) // bins]
    return Reliability(order, np.unique(np.searchsorted(given[order], edges, "left")))


def calibration_error(
    labels: npt.ArrayLike, scores: npt.ArrayLike, bins: Reliability, weights: Ints | None = None
) -> float:
    """Return the expected calibration error: mean distance between probability and frequency over the bins (share).

    Source: Naeini et al. 2015, with bins of equal mass (Nixon et al. 2019), which leave no bin nearly empty.
    """
    gap = np.asarray(labels, dtype=np.float64) - np.asarray(scores, dtype=np.float64)
    taken = np.ones(len(gap)) if weights is None else weights
    sums = np.add.reduceat((gap * taken)[bins.order], bins.starts)
    return float(np.abs(sums).sum() / taken.sum())


def reliability_table(
    labels: npt.ArrayLike, scores: npt.ArrayLike, bins: Reliability
) -> list[tuple[float, float, int]]:
    """Return, for each bin, the mean probability, the frequency of positives and the number of rows."""
    truth = np.asarray(labels, dtype=np.float64)[bins.order]
    given = np.asarray(scores, dtype=np.float64)[bins.order]
    counts = np.diff(np.append(bins.starts, len(given)))
    means, rates = (np.add.reduceat(column, bins.starts) / counts for column in (given, truth))
    return [(float(p), float(r), int(n)) for p, r, n in zip(means, rates, counts, strict=True)]
