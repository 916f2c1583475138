"""How far a version's inputs have moved since its reference, from counts in the same bins alone. Pure arithmetic."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from monitoring.features import MISSING, Feature, reference_places

MOVED, SHIFTED = 0.1, 0.25
MIN_ROWS = 2_000  # below, chance alone moves the index of some thirty bins by more than a third of MOVED
RARE = 0.01  # bins with a smaller share of the reference are taken together, or a long tail would move by chance
_RARE_PLACE = -1


class Most(NamedTuple):
    """The values that add most to an index, and their shares in [0, 1]."""

    values: str
    before: float
    now: float


@dataclass(frozen=True)
class Stability:
    """One input in the reference and now.

    Attributes:
        index: population stability index; None where a side has no values.
        missing_before, missing_now: shares in [0, 1].
    """

    name: str
    index: float | None
    missing_before: float
    missing_now: float
    most: Most | None

    @property
    def state(self) -> str:
        """``steady``, ``moved``, ``shifted`` or ``unknown``."""
        if self.index is None:
            return "unknown"
        return "steady" if self.index < MOVED else "moved" if self.index < SHIFTED else "shifted"


def population_stability(before: Mapping[int, int], now: Mapping[int, int]) -> dict[int, float]:
    """Return what each bin adds to the population stability index; their sum is the index, 0 where nothing moved.

    Args:
        before, now: rows by bin; both hold some. An empty bin counts as half a row, so that none is without a share.

    Source: N. Siddiqi, Credit Risk Scorecards (2006): below 0.1 nothing has changed, from 0.25 on much has.
    """
    bins = before.keys() | now.keys()
    totals = [sum(side.values()) + 0.5 * len(bins) for side in (before, now)]
    found = {}
    for bin_ in bins:
        share, later = ((side.get(bin_, 0) + 0.5) / total for side, total in zip((before, now), totals, strict=True))
        found[bin_] = (later - share) * math.log(later / share)
    return found


def stabilities(
    columns: Mapping[str, Mapping[str, Any]], counted: Iterable[tuple[Feature, Mapping[int, int]]]
) -> list[Stability]:
    """Return each input that was counted, those that moved most first.

    Args:
        columns: the reference, {column: histogram} of ``registry.histograms``.
        counted: each feature with its rows by place.
    """
    found = [_stability(feature, columns[feature.name], now) for feature, now in counted]
    return sorted(found, key=lambda one: (one.index is None, -(one.index or 0), one.name))


def _stability(feature: Feature, column: Mapping[str, Any], now: Mapping[int, int]) -> Stability:
    before = reference_places(feature, column)
    if feature.edges.size:
        feature, before, now = _coarse(feature, before, now)
    rows, rows_now = sum(before.values()), sum(now.values())
    missing, missing_now = (
        side.get(MISSING, 0) / total if total else 0.0 for side, total in ((before, rows), (now, rows_now))
    )
    if not rows or not rows_now:
        return Stability(feature.name, None, missing, missing_now, None)
    common = {place for place, n in before.items() if n >= RARE * rows or place == MISSING}
    sides = [_together(side, common) for side in (before, now)]
    parts = population_stability(*sides)
    most = max(parts, key=lambda place: parts[place])
    told = Most(_label(feature, most), sides[0].get(most, 0) / rows, sides[1].get(most, 0) / rows_now)
    return Stability(feature.name, sum(parts.values()), missing, missing_now, told)


def _coarse(
    feature: Feature, before: Mapping[int, int], now: Mapping[int, int]
) -> tuple[Feature, dict[int, int], dict[int, int]]:
    """Return a number in about thirty bins, each of whole ones."""
    step = max(1, -(-(len(feature.edges) - 1) // 32))
    kept = [*range(0, len(feature.edges) - 1, step), len(feature.edges) - 1]
    place = {i: bisect_left(kept, i) for i in range(len(feature.edges) + 1)}
    sides = [Counter[int](), Counter[int]()]
    for side, counted in zip(sides, (before, now), strict=True):
        for i, n in counted.items():
            side[place.get(i, i)] += n
    return Feature(feature.name, feature.edges[kept], None), dict(sides[0]), dict(sides[1])


def _together(side: Mapping[int, int], common: set[int]) -> dict[int, int]:
    found = {place: n for place, n in side.items() if place in common}
    rest = sum(side.values()) - sum(found.values())
    return found | ({_RARE_PLACE: rest} if rest else {})


def _label(feature: Feature, place: int) -> str:
    if place == _RARE_PLACE:
        return "rare or new values"
    if place == MISSING:
        return "missing"
    if feature.places is not None:
        names = {i: name for name, i in feature.places.items()}
        return names.get(place, "other values")
    low, high = (f"{edge:.4g}" for edge in feature.edges[place - 1 : place + 1])
    return low if low == high else f"{low} to {high}"
