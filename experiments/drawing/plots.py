"""Geometry of drawings with measured axes: curves over steps or time, clouds of points, parallel coordinates. Pure.

Numbers in, path data and labels out; colours and classes are the templates'. Beside each drawing stands the same as a table.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.drawing.charts import Line

WIDTH, HEIGHT = 680.0, 260.0
LEFT, TOP, RIGHT = 52.0, 8.0, 674.0
FLOOR = 226.0
MOST_WORDS = 12  # categories of an axis; of more, the most frequent
OTHERS = "others"
GAP, WIDEST_GAP = 150.0, 240.0  # between two axes of parallel coordinates
ON_TOP = ("run", "best", "ch")  # classes of their lines; the ones that matter are drawn last


@dataclass(frozen=True)
class Point:
    """One mark: where, how large, its class, and what it stands for."""

    x: float
    y: float
    r: float
    kind: str
    title: str = ""
    key: str = ""


@dataclass(frozen=True)
class Plot:
    """A drawing as ``experiments/_plot.html`` prints it.

    Attributes:
        bands: filled areas, as paths.
        grid, ticks: (place, text) of the horizontal and of the vertical axis.
        head, rows: the same as a table.
        note: what the drawing leaves out.
    """

    title: str
    about: str
    x_title: str
    y_title: str
    lines: list[Line] = field(default_factory=list)
    bands: list[Line] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    grid: list[tuple[float, str]] = field(default_factory=list)
    ticks: list[tuple[float, str]] = field(default_factory=list)
    key: list[tuple[str, str]] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """Where values lie between 0 and 1, and the labels. ``words`` are the categories of an axis without numbers."""

    low: float = 0.0
    high: float = 1.0
    words: tuple[str, ...] = ()
    log: bool = False

    def share(self, value: Any) -> float | None:
        """Return the place of a value; None where it has none."""
        if self.words:
            word = str(value) if value is not None else None
            if word is None:
                return None
            at = self.words.index(word) if word in self.words else len(self.words) - 1
            return (at + 0.5) / len(self.words)
        number = as_number(value)
        if number is None or (self.log and number <= 0):
            return None
        if self.log:
            return (math.log10(number) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (number - self.low) / (self.high - self.low)

    def labels(self, most: int = 4) -> list[tuple[float, str]]:
        """Return (place, text) of the labels."""
        if self.words:
            return [((at + 0.5) / len(self.words), word) for at, word in enumerate(self.words)]
        if self.log:
            low, high = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            every = max(1, (high - low) // most + 1)
            found = [10.0**power for power in range(low, high + 1, every)] or [self.low, self.high]
            return [(share, shown(value)) for value in found if (share := self.share(value)) is not None]
        step = _step((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        values = [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]
        return [((value - self.low) / (self.high - self.low), shown(value)) for value in values]


@dataclass(frozen=True)
class Upright:
    """One axis of parallel coordinates: its name for people, its scale, and as what it is bounded by dragging (empty: not at all)."""

    label: str
    scale: Axis
    name: str = ""
    x: float = 0.0

    @property
    def labels(self) -> list[tuple[float, str]]:
        """(y, text) of its labels."""
        return [(up(share), text) for share, text in self.scale.labels(3)]


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates as ``experiments/_parallel.html`` prints them; ``lines`` are (class, path, title, key)."""

    axes: list[Upright]
    lines: list[tuple[str, str, str, str]]
    width: float


def parallel(axes: Sequence[Upright], rows: Iterable[tuple[str, Sequence[Any], str, str]]) -> Parallel:
    """Return a line for each row over the axes, broken where it has no value.

    Args:
        rows: (class, a value for each axis, name, key).
    """
    gap = min(max(GAP, 960 / max(len(axes) - 1, 1)), WIDEST_GAP)
    placed = [replace(axis, x=60.0 + gap * place) for place, axis in enumerate(axes)]
    lines = []
    for kind, values, name, key in rows:
        both = list(zip(placed, values, strict=True))
        line = _joined(
            [None if (share := axis.scale.share(value)) is None else (axis.x, up(share)) for axis, value in both]
        )
        lines.append((kind, line, ", ".join([name, *(f"{axis.label} {told(value)}" for axis, value in both)]), key))
    return Parallel(placed, sorted(lines, key=lambda line: ON_TOP.index(line[0])), placed[-1].x + 90)


def as_number(value: Any) -> float | None:
    """Return a finite number that a value is or says; None where it says none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def axis_of(values: Sequence[Any]) -> Axis:
    """Return an axis on which all values have a place; by their logarithm where they span more than three powers of ten."""
    known = [value for value in values if value not in (None, "")]
    numbers = [as_number(value) for value in known]
    if not known:
        return Axis()
    if any(number is None for number in numbers):
        return _of_words([str(value) for value in known])
    low, high = min(n for n in numbers if n is not None), max(n for n in numbers if n is not None)
    if low > 0 and high / low > 1000:
        return Axis(low, high, log=True)
    if low == high:
        room = abs(low) * 0.1 or 1.0
        return Axis(low - room, high + room)
    room = (high - low) * 0.03
    return Axis(low - room, high + room)


def _of_words(words: Sequence[str]) -> Axis:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    if len(counts) <= MOST_WORDS:
        return Axis(words=tuple(sorted(counts)))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[: MOST_WORDS - 1]
    return Axis(words=(*sorted(frequent), OTHERS))


def shown(value: float) -> str:
    """Return a label of an axis: four digits, without a tail of zeros."""
    return "0" if abs(value) < 1e-12 else f"{value:.4g}"


def told(value: Any) -> str:
    """Return a value in the title of a mark."""
    number = as_number(value)
    return "unknown" if value is None else str(value)[:40] if number is None else f"{number:.4g}"


def across(share: float) -> float:
    """Return x of a share of the width."""
    return round(LEFT + min(max(share, 0.0), 1.0) * (RIGHT - LEFT), 1)


def up(share: float) -> float:
    """Return y of a share of the height."""
    return round(FLOOR - min(max(share, 0.0), 1.0) * (FLOOR - TOP), 1)


def path(shares: Sequence[tuple[float | None, float | None]]) -> str:
    """Return the path through places; it is broken where one of them is unknown."""
    return _joined([None if x is None or y is None else (across(x), up(y)) for x, y in shares])


def _joined(places: Iterable[tuple[float, float] | None]) -> str:
    found, pen = [], "M"
    for place in places:
        if place:
            found.append(f"{pen}{place[0]},{place[1]}")
        pen = "L" if place else "M"
    return " ".join(found)


def band(lower: Sequence[tuple[float | None, float | None]], upper: Sequence[tuple[float | None, float | None]]) -> str:
    """Return the outline between two lines, over the places that both have."""
    both = [(x, low, high) for (x, low), (_, high) in zip(lower, upper, strict=True) if None not in (x, low, high)]
    if len(both) < 2:
        return ""
    rising = [f"{across(x or 0)},{up(low or 0)}" for x, low, _ in both]
    falling = [f"{across(x or 0)},{up(high or 0)}" for x, _, high in reversed(both)]
    return f"M{' L'.join([*rising, *falling])}Z"


def grid_of(axis: Axis) -> list[tuple[float, str]]:
    """Return (y, text) of the horizontal lines."""
    return [(up(share), text) for share, text in axis.labels()]


def ticks_of(axis: Axis) -> list[tuple[float, str]]:
    """Return (x, text) of the labels below."""
    return [(across(share), text) for share, text in axis.labels(6)]


def _step(rough: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten at or above a rough step."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5, 10) if factor * power >= rough - 1e-12 * power), 10 * power)
