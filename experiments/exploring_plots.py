"""Hundreds of runs drawn: as a cloud of points, and as parallel coordinates. Pure: rows in, drawings out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.exploring import Choice, Column, RunRow, column_label, higher_is_better
from experiments.plots import Axis, Plot, Point, across, as_number, axis_of, grid_of, ticks_of, up

BEST = 0.1  # share of the runs that is drawn as the best
PARALLEL_TOP, PARALLEL_FLOOR = 30.0, 260.0
GAP, WIDEST_GAP = 150.0, 240.0  # between two axes


@dataclass(frozen=True)
class ParallelAxis:
    """One axis of parallel coordinates: where it stands, what it holds, and its labels as (y, text)."""

    x: float
    column: Column
    scale: Axis
    labels: list[tuple[float, str]]


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates.

    Attributes:
        lines: (class, path, title, run id); the ones that matter last, so that they lie on top.
    """

    axes: list[ParallelAxis]
    lines: list[tuple[str, str, str, str]]
    width: float


def best_of(rows: Sequence[RunRow], column: str) -> set[str]:
    """Return the ids of the best tenth of the rows by a metric, one at least; of a parameter there is no best."""
    known = [(value, row.run_id) for row in rows if (value := as_number(row.values.get(column))) is not None]
    if not column or column[0] == "p" or len(known) < 2:
        return set()
    known.sort(reverse=higher_is_better(column))
    return {run_id for _, run_id in known[: max(1, round(len(known) * BEST))]}


def scatter(rows: Sequence[RunRow], choice: Choice) -> Plot | None:
    """Return one point a run, of those that have both values."""
    placed = [row for row in rows if None not in (row.values.get(choice.x), row.values.get(choice.y))]
    if not choice.x or not choice.y or not placed:
        return None
    best = best_of(rows, choice.y)
    one, other = (axis_of([row.values[name] for row in placed]) for name in (choice.x, choice.y))
    x_label, y_label = column_label(choice.x), column_label(choice.y)
    points = [
        Point(across(one.share(row.values[choice.x]) or 0), up(other.share(row.values[choice.y]) or 0), 5 if kind else 3.5,
              kind or "run", f"{row.name}: {x_label} {_cell(row.values[choice.x])}, {y_label} {_cell(row.values[choice.y])}", row.run_id)
        for row in placed
        for kind in [_kind(row, best)]
    ]  # fmt: skip
    left_out = len(rows) - len(placed)
    return Plot(
        f"{y_label} by {x_label}", f"{len(placed)} runs by {x_label} and {y_label}", _with_scale(x_label, one),
        _with_scale(y_label, other), points=sorted(points, key=lambda p: p.r), grid=grid_of(other), ticks=ticks_of(one),
        note=f"Not drawn, since they lack one of the two: {left_out:,}." if left_out else "",
    )  # fmt: skip


def parallel(rows: Sequence[RunRow], choice: Choice, columns: Mapping[str, Column]) -> Parallel | None:
    """Return one line a run over the chosen axes; it is broken where a run has no value."""
    if len(choice.axes) < 2 or not rows:
        return None
    axes = [axis_of([row.values.get(name) for row in rows]) for name in choice.axes]
    gap = min(max(GAP, 960 / (len(axes) - 1)), WIDEST_GAP)
    places = [60.0 + gap * i for i in range(len(axes))]
    best = best_of(rows, choice.y)
    lines = []
    for row in rows:
        found, pen = [], "M"
        for x, axis, name in zip(places, axes, choice.axes, strict=True):
            share = axis.share(row.values.get(name))
            if share is None:
                pen = "M"
                continue
            found.append(f"{pen}{x:.0f},{_height(share)}")
            pen = "L"
        title = ", ".join([row.name, *(f"{column_label(n)} {_cell(row.values.get(n))}" for n in choice.axes)])
        lines.append((_kind(row, best) or "run", "".join(found), title, row.run_id))
    lines.sort(key=lambda line: ("run", "best", "ch").index(line[0]))
    drawn = [
        ParallelAxis(x, columns[name], axis, [(_height(share), text) for share, text in axis.labels(3)])
        for x, axis, name in zip(places, axes, choice.axes, strict=True)
    ]
    return Parallel(drawn, lines, places[-1] + 90)


def _height(share: float) -> float:
    return round(PARALLEL_TOP + (PARALLEL_FLOOR - PARALLEL_TOP) * (1 - min(max(share, 0.0), 1.0)), 1)


def _kind(row: RunRow, best: set[str]) -> str:
    return "ch" if row.is_champion else "best" if row.run_id in best else ""


def _with_scale(label: str, axis: Axis) -> str:
    return f"{label}, log scale" if axis.log else label


def _cell(value: Any) -> str:
    number = as_number(value)
    return "unknown" if value is None else str(value)[:40] if number is None else f"{number:.4g}"
