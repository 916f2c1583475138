"""Hundreds of runs drawn: as a cloud of points, and as parallel coordinates. Pure: rows in, drawings out."""

from collections.abc import Mapping, Sequence

from experiments.comparing.exploring import Choice, Column, RunRow, column_label, higher_is_better
from experiments.drawing.plots import (
    Axis,
    Parallel,
    Plot,
    Point,
    Upright,
    across,
    as_number,
    axis_of,
    grid_of,
    parallel,
    ticks_of,
    told,
    up,
)  # fmt: skip

BEST = 0.1  # share of the runs that is drawn as the best


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
        Point(across(one.share(row.values[choice.x]) or 0), up(other.share(row.values[choice.y]) or 0), 3.5 if kind == "run" else 5,
              kind, f"{row.name}: {x_label} {told(row.values[choice.x])}, {y_label} {told(row.values[choice.y])}", row.run_id)
        for row in placed
        for kind in [_kind(row, best)]
    ]  # fmt: skip
    left_out = len(rows) - len(placed)
    return Plot(
        f"{y_label} by {x_label}", f"{len(placed)} runs by {x_label} and {y_label}", _with_scale(x_label, one),
        _with_scale(y_label, other), points=sorted(points, key=lambda p: p.r), grid=grid_of(other), ticks=ticks_of(one),
        note=f"Not drawn, since they lack one of the two: {left_out:,}." if left_out else "",
    )  # fmt: skip


def runs_in_parallel(rows: Sequence[RunRow], choice: Choice, columns: Mapping[str, Column]) -> Parallel | None:
    """Return one line a run over the chosen axes; those of numbers can be bounded."""
    if len(choice.axes) < 2 or not rows:
        return None
    axes = [
        Upright(column_label(name), axis_of([row.values.get(name) for row in rows]), name if columns[name].numeric else "")
        for name in choice.axes
    ]  # fmt: skip
    best = best_of(rows, choice.y)
    return parallel(
        axes, [(_kind(row, best), [row.values.get(name) for name in choice.axes], row.name, row.run_id) for row in rows]
    )


def _kind(row: RunRow, best: set[str]) -> str:
    return "ch" if row.is_champion else "best" if row.run_id in best else "run"


def _with_scale(label: str, axis: Axis) -> str:
    return f"{label}, log scale" if axis.log else label
