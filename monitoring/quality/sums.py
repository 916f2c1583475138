"""What labels say of predictions, as sums that add up: a longer span's are exactly those of its parts. Pure arithmetic.

Probabilities are counted in ``BINS`` equal bins, once all of them and once by label. What is read off the bins takes a score for the
middle of its bin, so it is off by at most half a bin (0.0005); what is read off ``sums`` is exact.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitoring.drift import features
from monitoring.drift.features import NO_CELLS, Cells

BINS = 1000
ALL, NO, YES = 0, 1, 2  # rows of bins: every prediction, those that came out 0, those that came out 1
DELAYS = (60, 600, 3600, 6 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400)  # seconds; the last bin is open
TOP = 10  # places of a ranking that are looked at

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Kind(StrEnum):
    """What is predicted, and so what a label is compared with."""

    PROBABILITY = "probability"  # of what either happens or not
    NUMBER = "number"
    CATEGORY = "category"
    RANKING = "ranking"  # the rows of a request are its items, the output their score, the label their grade


class Key(NamedTuple):
    """What is counted together: one version in one arm, in one slice (empty: all), for one span."""

    version: int
    arm: str
    data_slice: str
    started_at: float


@dataclass(frozen=True, eq=False)
class Sums:
    """Predictions of one span and what became of them.

    Attributes:
        predictions: all that were made (of a ranking: requests).
        labelled: those with a label that can be compared.
        right: labelled ones that decided right, or lie within the tolerance; None where nothing is said to be right.
        cells: probabilities by bin; place = row of bins * ``BINS`` + bin.
        sums: by name, see :func:`probabilities`, :func:`numbers` and :func:`rankings`.
    """

    predictions: int = 0
    labelled: int = 0
    right: int | None = None
    cells: Cells = field(default_factory=lambda: NO_CELLS)
    sums: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: "Sums") -> "Sums":
        """Return both taken together."""
        return add_all((self, other))

    def bins(self, row: int) -> Ints:
        """Return the counts of one row of bins, (BINS,)."""
        counts = np.zeros(BINS, np.int64)
        part = slice(*np.searchsorted(self.cells.places, [row * BINS, (row + 1) * BINS]))
        counts[self.cells.places[part] - row * BINS] = self.cells.counts[part]
        return counts


def add_all(parts: Iterable[Sums]) -> Sums:
    """Return all taken together; the order makes no difference."""
    parts = list(parts)
    by_name: dict[str, list[float]] = defaultdict(list)
    for part in parts:
        for name, value in part.sums.items():
            by_name[name].append(value)
    rights = [part.right for part in parts if part.right is not None]
    return Sums(
        sum(part.predictions for part in parts), sum(part.labelled for part in parts), sum(rights) if rights else None,
        features.add_all(part.cells for part in parts),
        {name: math.fsum(values) for name, values in sorted(by_name.items())},
    )  # fmt: skip


def bin_of(scores: Floats) -> Ints:
    """Return the bin of each probability; 1 belongs to the last one."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def middles() -> Floats:
    """Return the score that stands for each bin, (BINS,)."""
    middle: Floats = (np.arange(BINS) + 0.5) / BINS
    return middle


def probabilities(scores: Floats, labels: Floats, *, threshold: float) -> Sums:
    """Count probabilities; the decision is yes from ``threshold`` on.

    Sums: ``error`` (probability minus outcome), its ``squares`` and ``quads`` (fourth powers); ``hits`` (yes, and it happened), ``alarms``
    (yes), ``events`` (it happened).

    Args:
        scores: (n,) in [0, 1]; NaN of predictions without one, which are not counted.
        labels: (n,) 0 or 1; NaN, or another number, where none is known.
    """
    sound = (scores >= 0) & (scores <= 1)
    scores, labels = scores[sound], labels[sound]
    known = (labels == 0) | (labels == 1)
    told, given = labels[known], scores[known]
    error, decided = given - told, given >= threshold
    places = bin_of(scores)
    cells = Cells.count(np.concatenate([places, places[known] + np.where(told == 1, YES, NO) * BINS]))
    return Sums(
        len(scores), len(told), int((decided == (told == 1)).sum()), cells,
        {
            "error": math.fsum(error), "squares": math.fsum(error**2), "quads": math.fsum(error**4),
            "hits": float((decided & (told == 1)).sum()), "alarms": float(decided.sum()), "events": float(told.sum()),
        },
    )  # fmt: skip


def numbers(
    values: Floats,
    labels: Floats,
    *,
    tolerance: float | None,
    expected: tuple[Floats | None, Floats | None] = (None, None),
) -> Sums:
    """Count predicted numbers; right is who lies no further from the label than ``tolerance``.

    Sums: of the error (prediction minus label) ``error``, ``absolute``, ``squares`` and ``quads``; of the label ``size`` (its absolute
    value) and ``size_squares``; ``cross``, size times absolute error. Where losses are expected: of how many predictions they are
    (``expected``), ``expected_absolute`` and ``expected_squares``.

    Args:
        values: (n,); NaN of predictions without a number, which are not counted.
        labels: (n,); NaN where none is known.
        expected: (n,) absolute and squared error that each probably has; NaN where nothing is expected.
    """
    sound = np.isfinite(values)
    known = np.isfinite(values) & np.isfinite(labels)
    error, size = values[known] - labels[known], np.abs(labels[known])
    absolute = np.abs(error)
    return Sums(
        int(sound.sum()), int(known.sum()), None if tolerance is None else int((absolute <= tolerance).sum()), NO_CELLS,
        {
            "error": math.fsum(error), "absolute": math.fsum(absolute), "squares": math.fsum(error**2),
            "quads": math.fsum(error**4), "size": math.fsum(size), "size_squares": math.fsum(size**2),
            "cross": math.fsum(size * absolute),
        } | _expected(*expected),
    )  # fmt: skip


def _expected(absolute: Floats | None, squares: Floats | None) -> dict[str, float]:
    if absolute is None or squares is None:
        return {}
    known = np.isfinite(absolute)
    of = {"expected_absolute": math.fsum(absolute[known]), "expected_squares": math.fsum(squares[known])}
    return {"expected": float(known.sum())} | of


def categories(pairs: Iterable[tuple[object, object]]) -> Sums:
    """Count predicted categories: (prediction, label) each; None where there is none. 1 and "1" are the same, as CSV has it."""
    made = [(predicted, label) for predicted, label in pairs if predicted is not None]
    told = [(predicted, label) for predicted, label in made if label is not None]
    return Sums(len(made), len(told), sum(_same(predicted, label) for predicted, label in told))


def rankings(requests: Iterable[tuple[Floats, Floats]]) -> Sums:
    """Count rankings: of each request (scores, grades) of its rows; a grade of NaN is not known.

    A request counts as labelled once all its rows are, and one has a grade above 0. Sums: ``gain``, the normalised discounted cumulative
    gain of the first ``TOP`` places (gain 2^grade - 1), and ``top``, the share of good rows among those places; with the squares of both.

    Source: Järvelin and Kekäläinen 2002; Burges et al. 2005 for the gain.
    """
    asked, gains, tops = 0, [], []
    for scores, grades in requests:
        asked += 1
        if not (np.isfinite(scores).all() and np.isfinite(grades).all() and (grades > 0).any()):
            continue
        ranked = grades[np.argsort(-scores, kind="stable")][:TOP]
        gains.append(_discounted(ranked) / _discounted(np.sort(grades)[::-1][:TOP]))
        tops.append(float((ranked > 0).mean()))
    sums = {
        "gain": math.fsum(gains), "gain_squares": math.fsum(g * g for g in gains),
        "top": math.fsum(tops), "top_squares": math.fsum(t * t for t in tops),
    }  # fmt: skip
    return Sums(asked, len(gains), None, NO_CELLS, sums)


def delays(seconds: Floats) -> dict[str, float]:
    """Count how long labels took to come: ``delay_<i>`` of those that took at most ``DELAYS[i]`` seconds and more than the one before.

    Args:
        seconds: (n,); NaN of predictions without a label.
    """
    counts = np.bincount(np.searchsorted(DELAYS, seconds[np.isfinite(seconds)]))
    return {f"delay_{i}": float(count) for i, count in enumerate(counts) if count}


def said(value: object) -> str:
    """Return a value as the name of a slice has it: 1.0 and 1 are the same."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _discounted(grades: Floats) -> float:
    return float(((np.exp2(grades) - 1) / np.log2(np.arange(len(grades)) + 2)).sum())


def _same(predicted: object, label: object) -> bool:
    if isinstance(predicted, str) != isinstance(label, str):
        return str(predicted) == str(label)
    return predicted == label
