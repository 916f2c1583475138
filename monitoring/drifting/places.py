"""Where the values of each bin stand, so that a distance in the feature's own unit can be had from counts alone.

Each bin's values stand at its middle, those of the outermost two at their outer edge: whole numbers, which are parted halfway between
them, then stand where they are. Two rules keep single values far away from deciding anything. An outermost bin reaches no further
than its neighbour is wide; and no value stands further from the median than ``REACH`` times the mean distance of all that differ from it.
"""

from dataclasses import dataclass

import numpy as np

from monitoring.drifting.windows import Floats, Integers

REACH = 10.0


@dataclass(frozen=True, eq=False)
class Line:
    """The bins of a number from below to above, those out of range taken into the outermost.

    Attributes:
        steps: distance from each bin's place to the next one's, in standard deviations of the reference as it stands there.
        spread: that standard deviation, in the feature's unit; 0 for a constant.
    """

    steps: Floats
    spread: float


def inside(counts: Integers) -> Integers:
    """Return counts with those below and above the edges taken into the outermost bins."""
    found = counts[1:-1].copy()
    found[0] += counts[0]
    found[-1] += counts[-1]
    return found


def line_of(edges: Floats, counts: Integers) -> Line:
    """Return how far apart the bins are.

    Args:
        edges: k + 1 edges, k ≥ 1.
        counts: of the reference, by bin, k of them.
    """
    places = _within_reach(_places(edges), counts)
    shares = counts / max(counts.sum(), 1)
    spread = float(np.sqrt(shares @ (places - shares @ places) ** 2))
    return Line(np.diff(places) / spread if spread else np.zeros(places.size - 1), spread)


def _places(edges: Floats) -> Floats:
    widths = np.diff(edges)
    places = edges[:-1] / 2 + edges[1:] / 2
    if places.size > 1:
        outer = (widths[0], widths[-1]) if places.size == 2 else np.minimum(widths[[0, -1]], widths[[1, -2]])
        places[0], places[-1] = edges[1] - outer[0], edges[-2] + outer[1]
    return places


def _within_reach(places: Floats, counts: Integers) -> Floats:
    middle = int(np.searchsorted(counts.cumsum(), counts.sum() / 2))
    others = np.where(np.arange(counts.size) == middle, 0, counts)
    if not others.any():
        return places
    away = places - places[middle]
    reach = np.inf
    for _ in range(50):
        within = REACH * float(np.abs(away) @ others / others.sum())
        if within >= reach * (1 - 1e-6):
            break
        reach = within
        away = np.clip(away, -reach, reach)
    return np.asarray(away)
