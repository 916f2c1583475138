"""Geometry of a search's drawings. Pure: numbers in, path data out; colours and classes are the templates'."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.charts import BOTTOM, LEFT, WIDTH, Chart, Line

ROWS = 10  # of a chart's table: the best ones
TOP = 0.1  # share of the trials that parallel coordinates bring out


@dataclass(frozen=True)
class Point:
    """One complete trial."""

    number: int
    value: float
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Scale:
    """Numbers, or words in order, to shares of a length."""

    low: float
    high: float
    log: bool = False
    words: Sequence[str] = ()

    @classmethod
    def of(cls, one: Mapping[str, Any]) -> "Scale":
        """Return the scale of a searched parameter."""
        if "choices" in one:
            return cls(0, max(len(one["choices"]) - 1, 1), words=[str(choice) for choice in one["choices"]])
        return cls(one["low"], one["high"], one["log"])

    def share(self, value: Any) -> float:
        """Return where ``value`` lies, 0 to 1; what lies beyond is drawn at the edge."""
        if self.words:
            return self.words.index(str(value)) / self.high if str(value) in self.words else 0.0
        low, high, at = (math.log(x) if self.log else float(x) for x in (self.low, self.high, max(value, self.low)))
        return min(max((at - low) / (high - low), 0.0), 1.0) if high > low else 0.5

    @property
    def ends(self) -> tuple[str, str]:
        """The words at both ends."""
        return (self.words[0], self.words[-1]) if self.words else (f"{self.low:.4g}", f"{self.high:.4g}")


@dataclass(frozen=True)
class Axis:
    """One axis of parallel coordinates: where it stands, its name, and the words at its ends."""

    x: float
    name: str
    low: str
    high: str


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: a line a trial, the best ones apart."""

    axes: list[Axis]
    others: str
    top: str
    best: str


def heights(points: Sequence[Point], *, maximize: bool) -> Scale:
    """Return the scale of the objective; the worst tenth is drawn at the edge, so that one bad trial flattens no other."""
    values = sorted((one.value for one in points), reverse=not maximize)
    tenth, best = values[len(values) // 10], values[-1]
    return Scale(min(tenth, best), max(tenth, best))


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
        x, y = LEFT + one.number / last * (WIDTH - LEFT), BOTTOM * (1 - scale.share(best))
        steps.append(f"H{x:.1f} V{y:.1f}" if steps else f"M{x:.1f},{y:.1f}")
    dots = _dots((one.number / last, scale.share(one.value)) for one in points)
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
        across = Scale.of(one)
        dots = [(across.share(point.params[name]), up.share(point.value)) for point in best_first]
        low, high = across.ends
        charts.append(Chart(
            name, f"{label} of each trial by {name}", [Line("pt", "", _dots(dots[1:])), Line("pt best", "the best", _dots(dots[:1]))],
            _grid(up), [(LEFT + 3, low, "start"), (WIDTH, f"{high}{', by ratios' * across.log}", "end")], [name, label],
            [[point.params[name], point.value] for point in best_first[:ROWS]],
        ))  # fmt: skip
    return charts


def parallel(
    points: Sequence[Point], space: Mapping[str, Mapping[str, Any]], label: str, *, maximize: bool
) -> Parallel:
    """Return parallel coordinates over the searched parameters and, last, the objective."""
    scales = {name: Scale.of(one) for name, one in space.items()} | {label: heights(points, maximize=maximize)}
    wide = 900 / max(len(scales) - 1, 1)
    axes = [Axis(30 + n * wide, name, *scale.ends) for n, (name, scale) in enumerate(scales.items())]
    lines = []
    for point in sorted(points, key=lambda one: one.value, reverse=maximize):
        given = {**point.params, label: point.value}
        lines.append(
            "M" + " ".join(f"{axis.x:.1f},{170 - 140 * scales[axis.name].share(given[axis.name]):.1f}" for axis in axes)
        )
    top = max(1, round(len(lines) * TOP))
    return Parallel(axes, " ".join(lines[top:]), " ".join(lines[1:top]), lines[0])


def _dots(shares: Any) -> str:
    return " ".join(f"M{LEFT + 3 + x * (WIDTH - LEFT - 6):.1f},{BOTTOM * (1 - y):.1f}h0" for x, y in shares)


def _grid(scale: Scale) -> list[tuple[float, str]]:
    return [(BOTTOM * (1 - share), f"{scale.low + share * (scale.high - scale.low):.3g}") for share in (0.0, 0.5, 1.0)]
