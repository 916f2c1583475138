"""How far inputs reach beyond the range of their reference: what a histogram's outermost bins leave open. Pure arithmetic.

Such a bin is open at one end: how many fell into it is known, not how far out. Beside the counts each span of a version keeps the least
and the greatest of them, which add up as counts do. Within the range the bins' own edges say as much.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite, nextafter
from typing import Any, NamedTuple, TypeGuard

from monitoring.drift.features import Cells, Feature
from serving.contract import is_withheld

Ends = tuple[float, float]  # the least and the greatest value
Tails = Mapping[str, tuple[Ends | None, Ends | None]]  # of inputs that reach beyond their range: below it, and above


def tails_of(features: Iterable[Feature], rows: Sequence[Mapping[str, Any]], cells: Cells) -> Tails:
    """Return the tails of rows that were counted as ``cells``."""
    found = {}
    for feature, places in cells.by_feature(features):
        if feature.places is not None or not feature.edges.size or not (0 in places or feature.edges.size in places):
            continue
        numbers = [value for row in rows if _is_number(value := row.get(feature.name))]
        below = [value for value in numbers if value < feature.edges[0]]
        above = [value for value in numbers if value > feature.edges[-1]]
        if below or above:
            found[feature.name] = _ends(below), _ends(above)
    return found


def join(parts: Iterable[Tails | None]) -> Tails | None:
    """Return all taken together; None where one of them is not known. The order makes no difference."""
    found: dict[str, tuple[Ends | None, Ends | None]] = {}
    for part in parts:
        if part is None:
            return None
        for name, sides in part.items():
            held = found.get(name, (None, None))
            below, above = (
                _ends([value for ends in pair if ends for value in ends]) for pair in zip(held, sides, strict=True)
            )
            found[name] = below, above
    return found


class Reach(NamedTuple):
    """Numbers lie from ``least`` to ``greatest``, both included; ``seen`` if both were among them."""

    least: float
    greatest: float
    seen: bool


def reach_of(feature: Feature, place: int, tails: Tails) -> Reach:
    """Return between which values the numbers at a place lie.

    Args:
        place: a bin, the outermost ones out of the reference's range. A bin holds its lower edge, the last one within the range both.
        tails: empty where they are not known.
    """
    edges, (below, above) = feature.edges, tails.get(feature.name, (None, None))
    if place == 0:
        return Reach(*below, True) if below else Reach(-inf, nextafter(edges[0], -inf), False)
    if place == len(edges):
        return Reach(*above, True) if above else Reach(nextafter(edges[-1], inf), inf, False)
    end = edges[place] if place == len(edges) - 1 else nextafter(edges[place], -inf)
    return Reach(float(edges[place - 1]), float(end), False)


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and isfinite(value) and not is_withheld(value)


def _ends(values: Sequence[float]) -> Ends | None:
    return (float(min(values)), float(max(values))) if values else None
