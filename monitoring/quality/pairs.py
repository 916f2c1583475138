"""Two versions on the same predictions: the differences of their metrics, challenger minus champion. Pure arithmetic.

Pairs of probabilities are counted in ``BINS`` by ``BINS`` cells by label, so that any metric of a ranking can be resampled pair by pair; a
score stands for the middle of its bin, half a bin is 0.0025. What is a mean of losses is exact.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from experiments.metrics import Z_95
from monitoring.drift import features
from monitoring.drift.features import NO_CELLS, Cells
from monitoring.quality.metrics import LEAST, LEAST_EVENTS, SEED, Binned, Measured, area, by_rank
from monitoring.quality.sums import BINS as SCORE_BINS
from monitoring.quality.sums import Floats, Ints, Kind, bin_of

Booleans = npt.NDArray[np.bool_]
BINS = 200
PER = SCORE_BINS // BINS
RESAMPLES = 200
PAIRED_RANKINGS = ("average_precision", "roc_auc", "recall_at_5pct_alerts", "precision_at_5pct_alerts")


@dataclass(frozen=True, eq=False)
class PairSums:
    """Labelled predictions that two versions made of the same rows.

    Attributes:
        cells: probabilities; place = (label * ``BINS`` + champion's bin) * ``BINS`` + challenger's bin.
        sums: of the difference of each loss its ``<loss>`` and ``<loss>_squares``; ``only_champion`` and ``only_challenger``: right alone.
    """

    labelled: int = 0
    cells: Cells = field(default_factory=lambda: NO_CELLS)
    sums: Mapping[str, float] = field(default_factory=dict)


def add_pairs(parts: Iterable[PairSums]) -> PairSums:
    """Return all taken together; the order makes no difference."""
    parts = list(parts)
    by_name: dict[str, list[float]] = defaultdict(list)
    for part in parts:
        for name, value in part.sums.items():
            by_name[name].append(value)
    sums = {name: math.fsum(values) for name, values in sorted(by_name.items())}
    return PairSums(sum(p.labelled for p in parts), features.add_all(p.cells for p in parts), sums)


def probability_pairs(champion: Floats, challenger: Floats, labels: Floats, *, threshold: float) -> PairSums:
    """Count pairs of probabilities; those without a label of 0 or 1, or without either probability, are left out."""
    known = ((labels == 0) | (labels == 1)) & (champion >= 0) & (champion <= 1) & (challenger >= 0) & (challenger <= 1)
    ours, theirs, told = challenger[known], champion[known], labels[known]
    places = (told.astype(np.int64) * BINS + bin_of(theirs) // PER) * BINS + bin_of(ours) // PER
    squares = (ours - told) ** 2 - (theirs - told) ** 2
    right = [(given >= threshold) == (told == 1) for given in (theirs, ours)]
    return PairSums(
        len(told), Cells.count(places), _losses(squares=squares) | _alone(right[0], right[1])
    )  # fmt: skip


def number_pairs(champion: Floats, challenger: Floats, labels: Floats, *, tolerance: float | None) -> PairSums:
    """Count pairs of numbers; those without a label, or without either number, are left out."""
    known = np.isfinite(champion) & np.isfinite(challenger) & np.isfinite(labels)
    ours, theirs = np.abs(challenger[known] - labels[known]), np.abs(champion[known] - labels[known])
    sums = _losses(absolute=ours - theirs, squares=ours**2 - theirs**2)
    if tolerance is not None:
        sums |= _alone(theirs <= tolerance, ours <= tolerance)
    return PairSums(len(ours), NO_CELLS, sums)


def _losses(**of: Floats) -> dict[str, float]:
    plain = {name: math.fsum(values) for name, values in of.items()}
    return plain | {f"{name}_squares": math.fsum(values**2) for name, values in of.items()}


def _alone(champion: Booleans, challenger: Booleans) -> dict[str, float]:
    return {
        "only_champion": float((champion & ~challenger).sum()), "only_challenger": float((challenger & ~champion).sum()),
    }  # fmt: skip


def compare(kind: Kind, pairs: PairSums, *, only: str = "") -> dict[str, Measured]:
    """Return by how much the challenger's metrics exceed the champion's on the same predictions, with 95% intervals, by name.

    Args:
        only: of the metrics of a ranking no other is resampled; empty: all are.

    Means of losses and shares: normal intervals of the paired difference. Metrics of a ranking: percentiles of resampled pairs.
    """
    n, of = pairs.labelled, pairs.sums
    if n < LEAST:
        return {}
    found = {}
    if kind is Kind.PROBABILITY:
        found["brier_score"] = _difference(n, of["squares"], of["squares_squares"])
        found |= _rankings(pairs, [name for name in PAIRED_RANKINGS if only in ("", name)])
    if kind is Kind.NUMBER:
        found["mean_absolute_error"] = _difference(n, of["absolute"], of["absolute_squares"])
    if "only_champion" in of:
        name = "within_tolerance" if kind is Kind.NUMBER else "accuracy"
        gained, lost = of["only_challenger"], of["only_champion"]
        found[name] = _difference(n, gained - lost, gained + lost)
    return found


def _difference(n: int, total: float, squares: float) -> Measured:
    mean = total / n
    half = Z_95 * math.sqrt(max(0.0, squares / n - mean**2) / (n - 1))
    return Measured(mean, mean - half, mean + half)


def _rankings(pairs: PairSums, names: Sequence[str]) -> dict[str, Measured]:
    places, counts = pairs.cells.places, pairs.cells.counts
    label, rest = np.divmod(places, BINS * BINS)
    champion, challenger = np.divmod(rest, BINS)
    if not names or min(counts[label == 0].sum(), counts[label == 1].sum()) < LEAST_EVENTS:
        return {}

    def by_label(bins: Ints, taken: Ints) -> tuple[Ints, Ints]:
        no, yes = (np.bincount(bins[label == y] * PER + PER // 2, taken[label == y], SCORE_BINS) for y in (0, 1))
        return no.astype(np.int64), yes.astype(np.int64)

    rows = [Binned.of(np.unique(bins) * PER + PER // 2) for bins in (champion, challenger)]

    def values(taken: Ints) -> list[float]:
        theirs, ours = (
            _values(names, binned, *by_label(bins, taken))
            for binned, bins in zip(rows, (champion, challenger), strict=True)
        )
        return [b - a for a, b in zip(theirs, ours, strict=True)]

    drawn = np.random.default_rng(SEED).multinomial(int(counts.sum()), counts / counts.sum(), RESAMPLES)
    low, high = np.nanquantile([values(taken) for taken in drawn], [0.025, 0.975], axis=0)
    return {
        name: Measured(value, min(float(a), value), max(float(b), value))
        for name, value, a, b in zip(names, values(counts), low, high, strict=True)
    }


def _values(names: Sequence[str], binned: Binned, no: Ints, yes: Ints) -> list[float]:
    if min(no.sum(), yes.sum()) < 2:
        return [float("nan")] * len(names)
    weights, of = binned.weights(no, yes), by_rank(binned)
    return [area(no, yes).value if name == "roc_auc" else of[name](weights) for name in names]


def unpaired(champion: Measured, challenger: Measured) -> Measured:
    """Return the difference of a metric on different predictions, its interval from those of both: they are independent."""
    ends = (champion.value, champion.low, champion.high, challenger.value, challenger.low, challenger.high)
    if any(end is None for end in ends):
        return Measured(reason=challenger.reason or champion.reason)
    a, a_low, a_high, b, b_low, b_high = (float(end or 0.0) for end in ends)
    return Measured(b - a, b - a - math.hypot(b - b_low, a_high - a), b - a + math.hypot(b_high - b, a - a_low))
