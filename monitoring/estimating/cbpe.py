"""Confidence-based performance estimation from scores alone. See :mod:`monitoring.estimating` for what it cannot see."""

from dataclasses import dataclass
from itertools import cycle

import numpy as np
import numpy.typing as npt

from monitoring.estimating.isotonic import calibrated
from monitoring.quality.metrics import LEAST, LEAST_EVENTS, SEED, Binned, Measured, statistics
from monitoring.quality.sums import BINS, Floats, Ints, middles

REPLICATES = 40  # calibrations on resampled reference rows: how well the reference knows it
DRAWS = 200


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a version's scores mean, by bin.

    Attributes:
        best: (BINS,) probability that it happens.
        replicates: (REPLICATES, BINS) the same from resampled reference rows.
    """

    best: Floats
    replicates: Floats

    @classmethod
    def fit(cls, no: Ints, yes: Ints) -> "Calibration":
        """Learn it from labelled reference rows by bin. The same rows give the same calibration.

        Raises:
            ValueError: one outcome is too rare to learn from.
        """
        if min(no.sum(), yes.sum()) < LEAST_EVENTS:
            raise ValueError(f"the reference has fewer than {LEAST_EVENTS} rows of one outcome")
        rows = np.concatenate([no, yes])
        drawn = np.random.default_rng(SEED).multinomial(int(rows.sum()), rows / rows.sum(), REPLICATES)
        return cls(calibrated(no, yes), np.stack([calibrated(draw[: len(no)], draw[len(no) :]) for draw in drawn]))


def estimate(made: Ints, calibration: Calibration, *, threshold: float) -> dict[str, Measured]:
    """Return the metrics that predictions would show if the calibration held, by name.

    The interval spans 95% of what labels may show: outcomes are drawn by the calibrated probabilities, and calibrations by how well the
    reference knows them. A threshold within a bin is taken for the bin's lower edge.

    Args:
        made: (BINS,) predictions by bin of score.
        threshold: from which probability on the decision is yes.
    """
    n = int(made.sum())
    if n < LEAST:
        return {}
    yes = made * calibration.best
    binned = Binned.of(np.flatnonzero(made))
    flagged = np.arange(BINS) >= int(threshold * BINS)
    weights = binned.weights(made - yes, yes)
    of = statistics(binned, binned.reliability(weights))
    values = {name: statistic(weights) for name, statistic in of.items()} | _plain(made, yes, flagged)
    random = np.random.default_rng(SEED)
    drawn: dict[str, list[float]] = {name: [] for name in values}
    for _, probabilities in zip(range(DRAWS), cycle(calibration.replicates), strict=False):
        happened = random.binomial(made, probabilities)
        weights = binned.weights(made - happened, happened)
        for name, value in ({name: s(weights) for name, s in of.items()} | _plain(made, happened, flagged)).items():
            drawn[name].append(value)
    return {name: _measured(value, drawn[name]) for name, value in values.items()}


def _measured(value: float, drawn: list[float]) -> Measured:
    known = np.asarray(drawn)[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(known):
        return Measured(reason="too few predictions to expect either outcome")
    low, high = np.quantile(known, [0.025, 0.975])
    return Measured(value, min(float(low), value), max(float(high), value))


def _plain(made: Ints, yes: npt.NDArray[np.generic], flagged: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return the metrics that are no curve, of predictions of which ``yes`` happened, by bin."""
    happened = yes.astype(np.float64)
    no, at = made - happened, middles()
    hits, events = float(happened[flagged].sum()), float(happened.sum())
    alarms, misses = float(made[flagged].sum()), float(no.sum())
    below = np.cumsum(no) - no / 2
    return {
        "roc_auc": _share(float((happened * below).sum()), events * misses),
        "brier_score": float((happened * (1 - at) ** 2 + no * at**2).sum() / made.sum()),
        "accuracy": float((hits + no[~flagged].sum()) / made.sum()),
        "precision": _share(hits, alarms),
        "recall": _share(hits, events),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
