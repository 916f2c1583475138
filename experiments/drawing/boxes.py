"""Boxes and lines: a trunk of columns, and branches that leave its end. Pure: nodes in, geometry out.

It is drawn across for a desk and downwards for a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BOX = (132.0, 58.0)  # width and height across
GAP = 22.0
NARROW = 340.0
BETWEEN = 8.0  # of boxes that share the width of a phone
RAIL = 14.0  # beside branches, on a phone
LETTER, SMALL = 7.6, 6.4  # widths of a character of a title and of a note


@dataclass(frozen=True)
class Node:
    """One thing on the way; ``known`` is False where it is only supposed to be there."""

    kind: str
    title: str
    note: str = ""
    href: str = ""
    known: bool = True


@dataclass(frozen=True)
class Box:
    """Where a node stands."""

    x: float
    y: float
    width: float
    height: float
    node: Node

    @property
    def title(self) -> str:
        """The title, cut to what fits; a number at its end, such as ``v12``, stays."""
        return cut(self.node.title, int((self.width - 20) / LETTER))

    @property
    def note(self) -> str:
        """The note, cut to what fits."""
        return cut(self.node.note, int((self.width - 20) / SMALL))

    @property
    def text_x(self) -> float:
        """Where its lines of text begin."""
        return self.x + 10

    @property
    def lines(self) -> tuple[float, float, float]:
        """The base lines of kind, title and note."""
        return self.y + 17, self.y + 34, self.y + 49


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths between them."""

    width: float
    height: float
    boxes: list[Box]
    paths: list[str]

    @property
    def view(self) -> str:
        """Its view box, with room for the outlines."""
        return f"-1 -1 {self.width + 2:.0f} {self.height + 2:.0f}"


Columns = Sequence[Sequence[Node]]


def drawn_across(columns: Columns, branches: Columns = ()) -> Drawing:
    """Return the columns from left to right, the nodes of one above each other; then each branch in a row of its own."""
    wide, high = BOX
    rows = max(len(branches), *(len(column) for column in columns))
    height = rows * (high + GAP) - GAP

    def top(count: int) -> float:
        return (height - (count * (high + GAP) - GAP)) / 2

    def box(place: int, y: float, node: Node) -> Box:
        return Box(place * (wide + GAP), y, wide, high, node)

    trunk = [
        [box(place, top(len(column)) + n * (high + GAP), node) for n, node in enumerate(column)]
        for place, column in enumerate(columns)
    ]
    rows_of_branches = [
        [box(len(columns) + place, top(len(branches)) + n * (high + GAP), node) for place, node in enumerate(branch)]
        for n, branch in enumerate(branches)
    ]

    def curve(a: Box, b: Box) -> str:
        start, end = a.y + high / 2, b.y + high / 2
        return (
            f"M{a.x + wide:.0f},{start:.0f} C{a.x + wide + GAP / 2:.0f},{start:.0f} "
            f"{b.x - GAP / 2:.0f},{end:.0f} {b.x - 1:.0f},{end:.0f}"
        )

    places = len(columns) + max((len(branch) for branch in branches), default=0)
    boxes = [box for group in (*trunk, *rows_of_branches) for box in group]
    return Drawing(
        places * (wide + GAP) - GAP, height, boxes, [curve(a, b) for a, b in _joined(trunk, rows_of_branches)]
    )


def drawn_down(columns: Columns, branches: Columns = ()) -> Drawing:
    """Return the columns from top to bottom, the nodes of one sharing the width; then each branch in a row of its own."""
    high = BOX[1]
    placed = []
    for place, row in enumerate([*columns, *branches]):
        left = RAIL if place >= len(columns) else 0.0
        wide = (NARROW - left - (len(row) - 1) * BETWEEN) / len(row)
        y = place * (high + GAP)
        placed.append([Box(left + n * (wide + BETWEEN), y, wide, high, node) for n, node in enumerate(row)])
    trunk, beneath = placed[: len(columns)], placed[len(columns) :]
    down = [(a, b) for upper, lower in pairwise(trunk) for a in upper for b in lower]
    paths = [f"M{a.x + a.width / 2:.0f},{a.y + high:.0f} L{b.x + b.width / 2:.0f},{b.y - 1:.0f}" for a, b in down]
    foot = trunk[-1][0].y + high
    for branch in beneath:
        middle = branch[0].y + high / 2
        paths.append(f"M{RAIL / 2:.0f},{foot:.0f} V{middle:.0f} H{RAIL - 1:.0f}")
        paths += [f"M{a.x + a.width:.0f},{middle:.0f} H{b.x - 1:.0f}" for a, b in pairwise(branch)]
    return Drawing(NARROW, len(placed) * (high + GAP) - GAP, [box for row in placed for box in row], paths)


def cut(text: str, most: int) -> str:
    """Return text of at most so many characters; a number at its end stays."""
    if len(text) <= most:
        return text
    name, _, number = text.rpartition(" ")
    end = f" {number}" if name and len(number) <= most // 3 else ""
    return f"{text[: most - 1 - len(end)]}…{end}"


def _joined(trunk: Sequence[Sequence[Box]], branches: Sequence[Sequence[Box]]) -> list[tuple[Box, Box]]:
    """Return which boxes a line joins."""
    within = [(a, b) for left, right in pairwise(trunk) for a in left for b in right]
    leaving = [(a, branch[0]) for a in trunk[-1] for branch in branches]
    return within + leaving + [pair for branch in branches for pair in pairwise(branch)]
