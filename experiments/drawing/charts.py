"""Geometry of the pages' drawings. Pure: numbers in, path data and labels out; colours and classes are the templates'."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 330, 154
LEFT, BOTTOM = 34.0, 132.0  # the plot's left edge and floor; y grows downwards


@dataclass(frozen=True)
class Line:
    """One series: its class in the style sheet, its word in the key (empty for none), and its path."""

    kind: str
    label: str
    path: str


@dataclass(frozen=True)
class Chart:
    """A chart as a template prints it.

    Attributes:
        grid: (y, text) of the horizontal lines.
        ticks: (x, text, anchor) of the labels below.
        head, rows: the same as a table.
        notes: (x, y, text) of words on a line, ending at x.
    """

    title: str
    about: str
    lines: list[Line]
    grid: list[tuple[float, str]]
    ticks: list[tuple[float, str, str]]
    head: list[str]
    rows: list[list[float | None]]
    notes: list[tuple[float, float, str]] = field(default_factory=list)


def curve(points: Iterable[Sequence[float]], *, x_high: float = 1.0, y_high: float = 1.0) -> str:
    """Return the path through points (x, y), both from 0 to their ``high``; what lies beyond is drawn at the edge."""
    drawn = []
    for x, y, *_ in points:
        across = LEFT + min(max(x / x_high, 0.0), 1.0) * (WIDTH - LEFT)
        up = BOTTOM * (1 - min(max(y / y_high, 0.0), 1.0))
        drawn.append(f"{across:.1f},{up:.1f}")
    return f"M{' '.join(drawn)}" if drawn else ""


def precision_recall_chart(points: Sequence[Sequence[float]], champion: Sequence[Sequence[float]]) -> Chart:
    """Return the chart of precision by recall, with the champion's curve where there is one."""
    lines = [Line("ch", "champion", curve(champion))] if champion else []
    lines.append(Line("ca", "this version", curve(points)))
    head = ["Recall", "Precision", "Champion's precision"] if champion else ["Recall", "Precision"]
    steps = [step / 10 for step in range(1, 11)]
    series = [points, champion] if champion else [points]
    rows = [[step, *(_y_at(one, step) for one in series)] for step in steps]
    return Chart(
        "Precision by recall", "Precision by recall on held-out rows", lines, _grid(1.0), _ticks(1.0), head, rows
    )


Curve = tuple[str, Sequence[Sequence[float]]]  # a version's name and its points


def overlaid_precision_recall(curves: Sequence[Curve]) -> Chart | None:
    """Return the curves of precision by recall of several versions, the first dashed; None where there is none."""
    if not any(points for _, points in curves):
        return None
    steps = [step / 10 for step in range(1, 11)]
    rows = [[step, *(_y_at(points, step) for _, points in curves)] for step in steps]
    return Chart(
        "Precision by recall", "Precision by recall of each version", _overlaid(curves, 1.0), _grid(1.0), _ticks(1.0),
        ["Recall", *(name for name, _ in curves)], rows,
    )  # fmt: skip


def overlaid_roc(curves: Sequence[Curve]) -> Chart | None:
    """Return recall by the share of false positives of several versions; None where there is none. The dotted line is chance."""
    if not any(points for _, points in curves):
        return None
    steps = [step / 10 for step in range(11)]
    rows = [[step, *(_y_at(points, step) for _, points in curves)] for step in steps]
    return Chart(
        "Recall by false positives (ROC)", "Recall by the share of false positives of each version",
        [Line("ok", "", curve([(0, 0), (1, 1)])), *_overlaid(curves, 1.0)], _grid(1.0), _ticks(1.0),
        ["False positives", *(name for name, _ in curves)], rows,
        notes=[(LEFT + 0.8 * (WIDTH - LEFT) - 6, BOTTOM * 0.24, "chance")],
    )  # fmt: skip


def overlaid_reliability(curves: Sequence[Curve]) -> Chart | None:
    """Return how often it happened by how probable each version said it was; None where no version was asked."""
    if not any(points for _, points in curves):
        return None
    high = _round_up(max(max(row[0], row[1]) for _, points in curves for row in points))
    steps = [high * step / 10 for step in range(1, 11)]
    rows = [[step, *(_y_at(points, step) for _, points in curves)] for step in steps]
    return Chart(
        "Happened by predicted", "Share that happened by predicted probability of each version",
        [Line("ok", "", curve([(0, 0), (1, 1)])), *_overlaid(curves, high)], _grid(high), _ticks(high),
        ["Predicted", *(name for name, _ in curves)], rows,
        notes=[(LEFT + 0.8 * (WIDTH - LEFT) - 6, BOTTOM * 0.2, "perfect")],
    )  # fmt: skip


def _overlaid(curves: Sequence[Curve], high: float) -> list[Line]:
    """Return one line a version; the first is what the others are held against."""
    return [
        Line("ch" if place == 0 else f"s{place}", name, curve(points, x_high=high, y_high=high))
        for place, (name, points) in enumerate(curves)
        if points
    ]


def reliability_chart(table: Sequence[Sequence[float]]) -> Chart:
    """Return the chart of how often it happened by how probable it was said to be; the dotted line is perfection."""
    high = _round_up(max((max(row[0], row[1]) for row in table), default=1.0))
    lines = [
        Line("ok", "", curve([(0, 0), (1, 1)])),
        Line("ca", "this version", curve(table, x_high=high, y_high=high)),
    ]
    return Chart(
        "Happened by predicted", "Share that happened by predicted probability, in bins of equally many rows", lines,
        _grid(high), _ticks(high), ["Predicted", "Happened", "Rows"], [list(row) for row in table],
        notes=[(LEFT + 0.8 * (WIDTH - LEFT) - 6, BOTTOM * 0.2, "perfect")],
    )  # fmt: skip


def histogram(counts: Sequence[int], *, width: float = 120, height: float = 28) -> str:
    """Return the outline of a histogram with bins of equal width."""
    if not counts or not max(counts):
        return ""
    wide, high = width / len(counts), max(counts)
    tops = [
        f"L{i * wide:.1f},{height * (1 - n / high):.1f} L{(i + 1) * wide:.1f},{height * (1 - n / high):.1f}"
        for i, n in enumerate(counts)
    ]
    return f"M0,{height} {' '.join(tops)} L{width},{height}Z"


def _grid(high: float) -> list[tuple[float, str]]:
    return [(BOTTOM * (1 - share), f"{high * share:.3g}") for share in (0.0, 0.5, 1.0)]


def _ticks(high: float) -> list[tuple[float, str, str]]:
    return [
        (LEFT + share * (WIDTH - LEFT), f"{high * share:.3g}", anchor)
        for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    ]


def _round_up(value: float) -> float:
    """Return the next of 0.1, 0.2, … 1.0 at or above a share."""
    return min(1.0, -(-value * 10 // 1) / 10) or 0.1


def _y_at(points: Sequence[Sequence[float]], x: float) -> float | None:
    """Return y of the first point at or right of ``x``."""
    return next((y for right, y, *_ in points if right >= x), None)
