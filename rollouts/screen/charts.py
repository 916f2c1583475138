"""The charts of a rollout's page. Pure: lines in, path data and words out; colours and classes are the templates'."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from monitoring.charts import line as path_of

LEFT, WIDTH, HEIGHT = 34.0, 330.0, 132.0
LEAST_LOG = math.log(0.01)  # evidence below says no more than this
Line = Sequence[float | None]


@dataclass(frozen=True)
class Limit:
    """A dotted line across a chart, with its words; ``kind`` is lim or ok."""

    y: float
    words: str
    kind: str
    text_y: float


@dataclass(frozen=True)
class Chart:
    """One chart, and the same as a table."""

    name: str
    title: str
    champion: str
    canary: str
    grid: list[tuple[float, str]]
    limits: list[Limit]
    ticks: list[tuple[float, str]]
    last: tuple[float, str] | None
    head: list[str]
    rows: list[list[float | None]] = field(default_factory=list)


def chart(
    name: str, title: str, champion: Line, canary: Line, *, marks: Sequence[tuple[float, str]], limit: tuple[float, str, str] | None = None,
    low: float = 0.0, log: bool = False,
) -> Chart:  # fmt: skip
    """Return a chart of two lines over the whole rollout.

    Args:
        marks: (share of the axis, word) of where a step began.
        limit: (value, words, kind) of the dotted line.
        log: the values are natural logarithms of what the scale shows.
    """
    known = [value for value in (*champion, *canary) if value is not None]
    top = max([*known, *([limit[0]] if limit else [])], default=1.0)
    bottom = max(min([low, *known]), LEAST_LOG) if log else low
    high = _nice(top) if not log else max(top * 1.08, math.log(3))
    grid = _log_grid(bottom, high) if log else [(share * high, _short(share * high)) for share in (0.0, 0.5, 1.0)]
    size = {"width": WIDTH - LEFT, "height": HEIGHT, "low": bottom, "high": high}
    last = next((value for value in reversed(canary) if value is not None), None)
    return Chart(
        name=name,
        title=title,
        champion=path_of(champion, **size) if champion else "",
        canary=path_of(canary, **size),
        grid=[(_y(value, bottom, high), words) for value, words in grid],
        limits=[Limit(_y(limit[0], bottom, high), limit[1], limit[2], max(_y(limit[0], bottom, high) - 5, 9.0))]
        if limit
        else [],
        ticks=[(round(LEFT + share * (WIDTH - LEFT), 1), word) for share, word in _apart(marks)],
        last=(_y(last, bottom, high), _short(math.exp(last) if log else last)) if last is not None else None,
        head=["Step", "Champion", "Canary"] if champion else ["Step", "Evidence" if log else "Canary"],
        rows=_rows(champion, canary, log),
    )


def _rows(champion: Line, canary: Line, log: bool) -> list[list[float | None]]:
    rows: list[list[float | None]] = []
    for i, value in enumerate(canary):
        shown = math.exp(min(value, 50.0)) if log and value is not None else value
        other = champion[i] if champion else None
        if shown is not None or other is not None:
            rows.append([i + 1, other, shown] if champion else [i + 1, shown])
    return rows


def _apart(marks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the marks that have room for their words, the latest of a crowd."""
    kept: list[tuple[float, str]] = []
    for mark in marks:
        if kept and mark[0] - kept[-1][0] < 0.09:
            kept.pop()
        if mark[0] < 0.9:
            kept.append(mark)
    return kept


def _y(value: float, low: float, high: float) -> float:
    share = (min(max(value, low), high) - low) / ((high - low) or 1.0)
    return round(HEIGHT * (1 - share), 1)


def _log_grid(low: float, high: float) -> list[tuple[float, str]]:
    decades = range(math.ceil(low / math.log(10)), math.floor(high / math.log(10)) + 1)
    every = max(1, math.ceil(len(decades) / 3))
    return [(decade * math.log(10), f"{10.0**decade:g}") for decade in decades if decade % every == 0]


def _nice(value: float) -> float:
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= value * 1.02 or step == 10)


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 10_000 else f"{value:.0e}".replace("e+0", "e")
