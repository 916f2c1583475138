"""Geometry of a search's drawings. Pure: numbers in, path data out; colours and classes are the templates'."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.drawing.charts import BOTTOM, LEFT, WIDTH, Chart, Line
from experiments.drawing.plots import Axis, Parallel, Upright, axis_of, parallel, shown

ROWS = 10  # of a chart's table: the best ones
TOP = 0.1  # share of the trials that parallel coordinates bring out


@dataclass(frozen=True)
class Point:
    """One complete trial."""

    number: int
    value: float
    params: Mapping[str, Any]


def heights(points: Sequence[Point], *, maximize: bool) -> Axis:
    """Return the scale of the objective; the worst tenth is drawn at the edge, so that one bad trial flattens no other."""
    values = sorted((one.value for one in points), reverse=not maximize)
    tenth, best = values[len(values) // 10], values[-1]
    return axis_of([tenth, best])


def axis_for(one: Mapping[str, Any]) -> Axis:
    """Return the scale of a searched parameter."""
    if "choices" in one:
        return Axis(words=tuple(str(choice) for choice in one["choices"]))
    return Axis(one["low"], one["high"], log=one["log"])


def best_so_far(points: Sequence[Point], label: str, *, maximize: bool) -> Chart:
    """Return the chart of each trial's value and of the best so far, by the number of the trial."""
    points = sorted(points, key=lambda one: one.number)
    scale, last = heights(points, maximize=maximize), max(points[-1].number, 1)
    best = points[0].value
    steps: list[str] = []
    rows: list[list[float | None]] = []
    for one in points:
        best = max(best, one.value) if maximize else min(best, one.value)
        if not rows or rows[-1][1] != best:
            rows.append([one.number, best])
        x, y = LEFT + one.number / last * (WIDTH - LEFT), BOTTOM * (1 - _at(scale, best))
        steps.append(f"H{x:.1f} V{y:.1f}" if steps else f"M{x:.1f},{y:.1f}")
    dots = _dots((one.number / last, _at(scale, one.value)) for one in points)
    return Chart(
        f"{label}, best so far", f"{label} of each trial and the best so far",
        [Line("pt", "a trial", dots), Line("ca", "best so far", " ".join(steps))], _grid(scale),
        [(LEFT, "0", "start"), (WIDTH, f"trial {last}", "end")], ["Trial", label], rows,
    )  # fmt: skip


def slices(
    points: Sequence[Point], space: Mapping[str, Mapping[str, Any]], label: str, *, maximize: bool
) -> list[Chart]:
    """Return a chart a parameter: the objective of each trial by what it was given."""
    up = heights(points, maximize=maximize)
    best_first = sorted(points, key=lambda one: one.value, reverse=maximize)
    charts = []
    for name, one in space.items():
        across = axis_for(one)
        dots = [(_at(across, point.params[name]), _at(up, point.value)) for point in best_first]
        low, high = (across.words[0], across.words[-1]) if across.words else (shown(across.low), shown(across.high))
        charts.append(Chart(
            name, f"{label} of each trial by {name}", [Line("pt", "", _dots(dots[1:])), Line("pt best", "the best", _dots(dots[:1]))],
            _grid(up), [(LEFT + 3, low, "start"), (WIDTH, f"{high}{', by ratios' * across.log}", "end")], [name, label],
            [[point.params[name], point.value] for point in best_first[:ROWS]],
        ))  # fmt: skip
    return charts


def trials_in_parallel(
    points: Sequence[Point], space: Mapping[str, Mapping[str, Any]], label: str, *, maximize: bool
) -> Parallel:
    """Return one line a trial over the searched parameters and, last, the objective."""
    axes = [Upright(name, axis_for(one)) for name, one in space.items()]
    best_first = sorted(points, key=lambda one: one.value, reverse=maximize)
    top = max(1, round(len(points) * TOP))
    return parallel(
        [*axes, Upright(label, heights(points, maximize=maximize))],
        [
            ("run" if place >= top else "best" if place else "ch", [*(one.params[name] for name in space), one.value], f"trial {one.number}", "")
            for place, one in enumerate(best_first)
        ],
    )  # fmt: skip


def _at(scale: Axis, value: Any) -> float:
    """Return where ``value`` lies, 0 to 1; what lies beyond is drawn at the edge."""
    return min(max(scale.share(value) or 0.0, 0.0), 1.0)


def _dots(shares: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"M{LEFT + 3 + x * (WIDTH - LEFT - 6):.1f},{BOTTOM * (1 - y):.1f}h0" for x, y in shares)


def _grid(scale: Axis) -> list[tuple[float, str]]:
    return [(BOTTOM * (1 - share), text) for share, text in scale.labels(3)]
