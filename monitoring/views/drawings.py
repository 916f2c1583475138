"""The lines that pages draw: small ones in tables, and the error budget over its window."""

from typing import Any

from monitoring import charts
from monitoring.selectors import ArmTraffic, SloStatus
from monitoring.slo import Standing
from serving.contract import BASIS_POINTS, CHAMPION

WORDS = {
    Standing.MET: ("pass", "Met"),
    Standing.BURNING: ("warn", "Burning fast"),
    Standing.MISSED: ("fail", "Missed"),
    Standing.NO_DATA: ("skipped", "No data"),
}
SPARK: dict[str, float] = {"width": 88, "height": 24}
CHART: dict[str, float] = {"width": 296, "height": 132}


def arm_row(arm: ArmTraffic) -> dict[str, Any]:
    """Return what a row of the traffic table prints; the champion's lines are grey and dashed, a candidate's teal."""
    return {
        "of": arm,
        "weight": arm.weight_bp / BASIS_POINTS,
        "series": "ch" if arm.arm == CHAMPION else "ca",
        "rates": charts.line([step.requests_per_s for step in arm.steps], **SPARK),
        "p99s": charts.line([step.p99_ms for step in arm.steps], **SPARK),
    }


def slo_row(status: SloStatus) -> dict[str, Any]:
    """Return what a row of objectives prints."""
    mark, word = WORDS[status.standing]
    line = charts.line([1.0, *(step.left for step in status.steps)], **SPARK, high=1.0) if status.total else ""
    tone = "fail" if status.standing is Standing.MISSED else ""
    return {
        "of": status,
        "slo": status.slo,
        "target": float(status.slo.objective),
        "mark": mark,
        "word": word,
        "tone": tone,
        "line": line,
    }


def burn_down(status: SloStatus) -> dict[str, Any]:
    """Return the drawing of the budget left over the window; an overspent budget widens the scale downwards."""
    shares = [step.left for step in status.steps if step.left is not None]
    low = min(0.0, *shares)
    height = CHART["height"]
    grid = [1.0, 0.5, 0.0] if low == 0 else [1.0, 0.0, low]
    return {
        "path": charts.line([1.0, *shares], **CHART, low=low, high=1.0),
        "grid": [(round(height - (share - low) / (1.0 - low) * height, 1), share) for share in grid],
        "from": status.steps[0].at,
        "left_y": round(height - (shares[-1] - low) / (1.0 - low) * height, 1),
    }
