"""Where the values of each bin stand, so that a distance in the feature's own unit can be had from counts alone.

Each bin's values stand at its middle, those of the outermost two at their outer edge: whole numbers, which are parted halfway between
them, then stand where they are. Two rules keep single values far away from deciding anything. An outermost bin reaches no further
than its neighbour is wide; and no value stands further from the median than ``REACH`` times the mean distance of all that differ from it.
"""

from dataclasses import dataclass

import numpy as np

from monitoring.drifting.windows import Floats, Integers

REACH = 10.0
MOST_GROUPS = 64  # of neighbouring bins: chance is drawn for these, and more would tell no more apart


@dataclass(frozen=True, eq=False)
class Line:
    """The bins of a number from below to above, those out of range taken into the outermost.

    Attributes:
        steps: (k - 1,) distance from each bin's place to the next one's, in standard deviations of the reference as it stands there; 0
            throughout for a constant.
        starts: (g,) bins at which the g ≤ ``MOST_GROUPS`` groups begin that decide.
        group_steps: (g - 1,) the same distance taken together by the group whose beginning is nearest.
    """

    steps: Floats
    starts: Integers
    group_steps: Floats

    def grouped(self, counts: Integers) -> Integers:
        """Return counts by group."""
        return np.add.reduceat(counts, self.starts)


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
    steps = np.diff(places) / spread if spread else np.zeros(places.size - 1)
    starts = np.arange(0, places.size, -(-places.size // MOST_GROUPS))
    bounds = np.append(
        (starts[1:-1] + starts[2:]) // 2, places.size
    )  # steps up to the middle of a group are of its beginning
    first = np.concatenate([[0], bounds])[: starts.size - 1]
    return Line(steps, starts, np.add.reduceat(steps, first))


def _places(edges: Floats) -> Floats:
    widths = np.diff(edges)
    places = edges[:-1] / 2 + edges[1:] / 2
    if places.size > 2:  # between two there is one step, which is measured in itself
        outer = np.minimum(widths[[0, -1]], widths[[1, -2]])
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
