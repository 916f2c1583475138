"""The lines of a metric over time: where each point, band and mark stands. Numbers in, path data out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from monitoring.quality.points import QualityPoint
from monitoring.selectors.quality_overview import Overview, Step

WIDTH, HEIGHT, LEFT = 860.0, 180.0, 44.0
STRIP = 26.0  # of coverage, below the lines
DOTS = 60  # points from which on the line alone is drawn


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    steps: int

    def x(self, n: float) -> float:
        return LEFT + (n + 0.5) * (WIDTH - LEFT) / self.steps

    def y(self, value: float) -> float:
        return HEIGHT - (min(max(value, self.low), self.high) - self.low) / (self.high - self.low) * HEIGHT


def drawing(overview: Overview) -> dict[str, Any] | None:
    """Return what the chart's template prints; None where no point has a value."""
    steps = overview.steps
    lines = {
        "champion": [step.champion for step in steps],
        "estimated": [step.estimated for step in steps],
        "canary": [step.canary for step in steps],
    }
    limit = overview.policy.limit if overview.policy.metric == overview.metric else None
    known = [
        end for line in lines.values() for point in line if point and point.value is not None
        for end in (point.value, point.low, point.high) if end is not None
    ]  # fmt: skip
    if not known:
        return None
    ends = [*known, *([limit] if limit is not None else [])]
    room = (max(ends) - min(ends)) * 0.08 or abs(max(ends)) * 0.1 or 0.1
    scale = _Scale(max(0.0, min(ends) - room), max(ends) + room, len(steps))
    provisional = next((n for n, step in enumerate(steps) if step.champion and step.champion.provisional), None)
    grid = [scale.low + (scale.high - scale.low) * share for share in (0.08, 0.5, 0.92)]
    return {
        "width": WIDTH, "height": HEIGHT, "total": HEIGHT + STRIP + 50, "left": LEFT, "strip_y": HEIGHT + 12, "strip": STRIP, "ticks_y": HEIGHT + STRIP + 30,
        "grid": [(round(scale.y(value), 1), value) for value in grid],
        "champion": _path(lines["champion"], scale), "band": _band(lines["champion"], scale),
        "estimated": _path(lines["estimated"], scale), "canary": _path(lines["canary"], scale),
        "dots": [(scale.x(n), scale.y(p.value)) for n, p in _told(lines["champion"])] if len(steps) <= DOTS else [],
        "estimated_dots": [(scale.x(n), scale.y(p.value)) for n, p in _told(lines["estimated"])] if len(steps) <= DOTS else [],
        "provisional_x": None if provisional is None else round(scale.x(provisional - 0.5), 1),
        "provisional_width": None if provisional is None else round(WIDTH - scale.x(provisional - 0.5), 1),
        "limit": None if limit is None else {"y": round(scale.y(limit), 1), "value": limit},
        "changes": list(_changes(overview, scale)),
        "coverage": list(_coverage(steps, scale)),
        "ticks": _ticks(overview, scale),
    }  # fmt: skip


def _told(line: Sequence[QualityPoint | None]) -> Iterator[tuple[int, Any]]:
    return ((n, point) for n, point in enumerate(line) if point and point.value is not None)


def _path(line: Sequence[QualityPoint | None], scale: _Scale) -> str:
    drawn, before = [], -2
    for n, point in _told(line):
        drawn.append(f"{'L' if n == before + 1 else 'M'}{scale.x(n):.1f},{scale.y(point.value):.1f}")
        before = n
    return " ".join(drawn)


def _band(line: Sequence[QualityPoint | None], scale: _Scale) -> str:
    """Return the outlines of the intervals, one for each run of points; a lonely point gets a narrow one."""
    runs: list[list[tuple[float, float, float]]] = []
    before = -2
    for n, point in _told(line):
        if n != before + 1:
            runs.append([])
        runs[-1].append((scale.x(n), scale.y(point.low), scale.y(point.high)))
        before = n
    drawn = []
    for run in runs:
        if len(run) == 1:
            ((x, low, high),) = run
            run = [(x - 3, low, high), (x + 3, low, high)]
        there = " L".join(f"{x:.1f},{high:.1f}" for x, _, high in run)
        back = " L".join(f"{x:.1f},{low:.1f}" for x, low, _ in reversed(run))
        drawn.append(f"M{there} L{back} Z")
    return " ".join(drawn)


def _coverage(steps: Sequence[Step], scale: _Scale) -> Iterator[dict[str, float]]:
    wide = (WIDTH - LEFT) / len(steps)
    for n, step in enumerate(steps):
        if step.champion and step.champion.coverage is not None:
            tall = STRIP * step.champion.coverage
            yield {
                "x": scale.x(n - 0.5) + wide * 0.1,
                "y": HEIGHT + 12 + STRIP - tall,
                "width": wide * 0.8,
                "height": tall,
            }


def _changes(overview: Overview, scale: _Scale) -> Iterator[dict[str, Any]]:
    last = -100.0
    for at, number in overview.changes:
        x = scale.x((at - overview.since) / overview.span - 0.5)
        if LEFT <= x <= WIDTH and x - last > 24:
            last = x
            yield {"x": round(x, 1), "number": number}


def _ticks(overview: Overview, scale: _Scale) -> list[tuple[float, str]]:
    count = len(overview.steps)
    form = "%H:%M" if overview.span < timedelta(days=1) and count <= 30 else "%-d %b"
    chosen = range(0, count, max(1, -(-count // 5)))
    return [(round(scale.x(n), 1), overview.steps[n].at.strftime(form)) for n in chosen]
