"""What is compared: one feature in one window and in its reference, as integers that add up; and what was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from monitoring.drift.features import BROKEN, MISSING, UNSEEN, Feature, reference_places

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Kind = Literal["number", "category"]
Method = Literal["wasserstein", "ks", "total_variation", "chi2"]
MIN_ROWS = 50  # of either side; below, nothing is said


@dataclass(frozen=True, eq=False)
class Binned:
    """One feature in one window.

    Attributes:
        counts: values by bin of the reference's edges (``registry.histograms``: bin 0 below, bins 1 … k, bin k + 1 above), or by the
            rank of a category among the reference's names.
        missing: rows without a value.
        unseen: a category that the reference does not name; a number where the reference has none.
        broken: values of another type.
    """

    counts: Integers
    missing: int = 0
    unseen: int = 0
    broken: int = 0

    @property
    def rows(self) -> int:
        """Rows of the window that have been counted."""
        return int(self.counts.sum()) + self.missing + self.unseen + self.broken

    def __add__(self, other: "Binned") -> "Binned":
        """Return both windows taken together."""
        return Binned(
            self.counts + other.counts,
            self.missing + other.missing,
            self.unseen + other.unseen,
            self.broken + other.broken,
        )

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        return (
            isinstance(other, Binned)
            and np.array_equal(self.counts, other.counts)
            and (self.missing, self.unseen, self.broken) == (other.missing, other.unseen, other.broken)
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Reference:
    """One feature where the model was made.

    Attributes:
        edges: of a number's bins, non-decreasing; empty for a category, and where the reference has no values.
        categories: names in the order of ``binned.counts``; empty for a number.
        std: standard deviation of the values, where known; for display, since one outlier can make it anything.
        importance: how much the model depends on the feature, in any unit that is common to all; None if not known.
    """

    name: str
    kind: Kind
    edges: Floats
    categories: tuple[str, ...]
    binned: Binned
    std: float | None = None
    importance: float | None = None


@dataclass(frozen=True)
class EffectFloor:
    """What is too little to call drift, however certain it is.

    Attributes:
        number: Wasserstein distance (robust standard deviations of the reference).
        ks: Kolmogorov-Smirnov distance; a normal shifted by a tenth of its standard deviation has 0.04.
        category: total variation, the share of rows that would have to change their category.
        share: difference of a share of missing, new, broken or out-of-range values.
    """

    number: float = 0.1
    ks: float = 0.04
    category: float = 0.05
    share: float = 0.005


@dataclass(frozen=True)
class Share:
    """A share of rows in the reference and now.

    Attributes:
        reference, current: shares in [0, 1]; 0 where there are no rows.
        p_value: of seeing at least this much by chance.
        adjusted_p: the same among all features and kinds of break that were looked at (Benjamini-Hochberg).
        broke: whether that is too much.
    """

    reference: float
    current: float
    p_value: float
    adjusted_p: float
    broke: bool


@dataclass(frozen=True)
class Finding:
    """What one window says of one feature.

    Attributes:
        method: what decides: the first of a kind's two methods that is beyond its threshold, otherwise the first.
        distance: of that method: standard deviations for ``wasserstein``, for ``chi2`` Cohen's w, a share in [0, 1] otherwise.
        p_value: of a distance as large by chance, both sides being samples; doubled, since two methods look.
        adjusted_p: the same among all features (Benjamini-Hochberg).
        threshold: the distance beyond which this feature alone would count as drifted, at these two sample sizes.
        effect, effect_floor: what has moved and what must have, in the unit of ``distance``; for ``chi2`` the total variation.
        alone: beyond the threshold, were it the only feature.
        drifted: the same after allowing for the number of features.
        enough: whether both sides have rows enough to say anything.
        n, reference_n: values compared.
        statistics: ``psi``, ``ks``, ``wasserstein``, ``jensen_shannon``, ``chi2``; None where not defined.
        breaks: what is scored apart and broke, of ``missing``, ``new categories``, ``range``, ``type``.
        cause: importance by how far it moved among those that did; 0 if it neither drifted nor broke.
    """

    name: str
    kind: Kind
    method: Method
    distance: float
    p_value: float
    adjusted_p: float
    threshold: float
    effect: float
    effect_floor: float
    alone: bool
    drifted: bool
    enough: bool
    n: int
    reference_n: int
    statistics: Mapping[str, float | None]
    missing: Share
    unseen: Share
    out_of_range: Share
    broken: Share
    breaks: tuple[str, ...] = ()
    importance: float | None = None
    cause: float = field(default=0.0)


def reference_of(feature: Feature, histogram: Mapping[str, Any], importance: float | None = None) -> Reference:
    """Return a feature's reference from its histogram as stored (``registry.histograms``)."""
    return Reference(
        name=feature.name,
        kind="number" if feature.places is None else "category",
        edges=feature.edges,
        categories=tuple(feature.places or ()),
        binned=binned_of(feature, reference_places(feature, histogram)),
        std=histogram.get("std"),
        importance=importance,
    )


def binned_of(feature: Feature, counted: Mapping[int, int]) -> Binned:
    """Return one feature's counts by place (``Cells.by_feature``) as a window of it."""
    size = len(feature.edges) + bool(feature.edges.size) if feature.places is None else len(feature.places)
    counts = np.zeros(size, np.int64)
    within = [place for place in counted if place < size]
    counts[within] = [counted[place] for place in within]
    return Binned(counts, *(counted.get(place, 0) for place in (MISSING, UNSEEN, BROKEN)))
