"""The drawings of drift: a feature's values on both sides, and how far inputs have moved over time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitoring import charts
from monitoring.drifting import Finding
from monitoring.models import DriftWindow
from monitoring.quality.points import QualityPoint

WIDTH, HEIGHT = 160, 40
CHART: dict[str, float] = {"width": 620, "height": 120}
MOST_TIMES = 4.0  # of its threshold, where the drawing ends
STATES = {
    DriftWindow.State.DRIFTED: "fail",
    DriftWindow.State.BROKEN: "warn",
    DriftWindow.State.STEADY: "pass",
    DriftWindow.State.THIN: "skipped",
}


def histogram(labels: Sequence[str], reference: Sequence[float], current: Sequence[float]) -> dict[str, Any]:
    """Return the outlines of both sides on one scale, and the bins for the table beside them; the rest of many is cut off."""
    shown = [max(pair) for label, *pair in zip(labels, reference, current, strict=True) if not label.endswith(" more")]
    high = max(shown, default=1.0)
    return {
        "reference": charts.steps(reference, width=WIDTH, height=HEIGHT, high=high),
        "current": charts.steps(current, width=WIDTH, height=HEIGHT, high=high),
        "bins": list(zip(labels, reference, current, strict=True)),
    }


def multiples(drawings: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the drawing of each feature that one was kept of, by name."""
    return {one["name"]: histogram(one["labels"], one["reference"], one["current"]) for one in drawings}


def places(instants: Sequence[datetime], since: datetime, until: datetime) -> list[float]:
    """Return where instants lie on the time axis."""
    whole = (until - since).total_seconds() or 1.0
    return [CHART["width"] * (at - since).total_seconds() / whole for at in instants]


def timeline(series: Sequence[DriftWindow], since: datetime, until: datetime) -> dict[str, Any]:
    """Return the line of the largest distance over its threshold, and a mark for each look that found drift or a break."""
    xs = places([window.until for window in series], since, until)
    times = [None if window.peak is None else min(window.peak, MOST_TIMES) for window in series]
    marks = [
        {
            "x": round(x, 1),
            "y": round(_y(time or 0.0), 1),
            "state": STATES[DriftWindow.State(window.state)],
            "of": window,
        }
        for x, time, window in zip(xs, times, series, strict=True)
        if window.drifted or window.broken
    ]
    return {
        "path": path(list(zip(xs, times, strict=True)), MOST_TIMES), "marks": marks, "limit": round(_y(1.0), 1),
        "grid": [(round(_y(n), 1), n) for n in (0, 2, 4)], "since": since, "until": until, "changes": _changes(series, xs),
    }  # fmt: skip


def quality_line(name: str, points: Sequence[QualityPoint], since: datetime, until: datetime) -> dict[str, Any]:
    """Return a metric over the same time axis; the scale begins at 0, or below it where the metric does."""
    values = [point.value for point in points]
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max(known, default=1.0) or 1.0
    xs = places([point.at for point in points], since, until)
    share = [None if value is None else (value - low) / ((high - low) or 1.0) for value in values]
    return {
        "name": name, "points": list(reversed(points)), "path": path(list(zip(xs, share, strict=True)), 1.0),
        "grid": [(round(CHART["height"] * (1 - part), 1), low + (high - low) * part) for part in (0, 0.5, 1)],
    }  # fmt: skip


def path(points: Sequence[tuple[float, float | None]], high: float) -> str:
    """Return the path through points of the time axis; a None interrupts it."""
    drawn, pen = [], "M"
    for x, value in points:
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{x:.1f},{CHART['height'] * (1 - value / (high or 1.0)):.1f}")
        pen = "L"
    return " ".join(drawn)


def _y(times: float) -> float:
    return CHART["height"] * (1 - min(times, MOST_TIMES) / MOST_TIMES)


def _changes(series: Sequence[DriftWindow], xs: Sequence[float]) -> list[dict[str, Any]]:
    """Return where another version took over the arm."""
    return [
        {"x": round(x, 1), "number": window.version.number}
        for before, window, x in zip(series, series[1:], xs[1:], strict=False)
        if window.version_id != before.version_id
    ]


def feature_row(one: Finding, muted: list[str]) -> dict[str, Any]:
    """Return what a row of the features' table prints."""
    state = ("fail", "Drifted") if one.drifted else ("warn", "Broke") if one.breaks else ("pass", "Holds")
    if not one.enough and not one.breaks:
        state = ("skipped", "Too few values" if one.n else "Not counted")
    is_muted = one.name in muted
    return {
        "of": one, "state": ("skipped", "Muted") if is_muted else state,
        "telling": bool(one.drifted or one.breaks) and not is_muted,
        "width": min(one.distance / one.threshold / 2, 1) * 100 if one.threshold else 0,
        "unit": "SD" if one.method == "wasserstein" else "of rows",
    }  # fmt: skip
