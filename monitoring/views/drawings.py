"""The small lines that pages draw in tables."""

from typing import Any

from monitoring import charts
from monitoring.models import SLICES, Slo
from monitoring.selectors import ArmTraffic, SloStatus
from monitoring.slo.arithmetic import Standing
from monitoring.slo_words import slice_words, window_words
from serving.contract import BASIS_POINTS, CHAMPION

WORDS = {
    Standing.MET: ("pass", "Met"),
    Standing.BURNING: ("warn", "Burning fast"),
    Standing.MISSED: ("fail", "Missed"),
    Standing.NO_DATA: ("skipped", "No data"),
}
SPARK: dict[str, float] = {"width": 88, "height": 24}


def arm_row(arm: ArmTraffic, *, champion: int | None) -> dict[str, Any]:
    """Return what a row of the traffic table prints; the champion's lines are grey and dashed, a candidate's teal.

    Args:
        champion: number of the version that is champion now, which may have answered none of these requests.
    """
    return {
        "of": arm,
        "former": arm.arm == CHAMPION and arm.number != champion,
        "weight": arm.weight_bp / BASIS_POINTS,
        "series": "ch" if arm.arm == CHAMPION else "ca",
        "rates": charts.line([step.requests_per_s for step in arm.steps], **SPARK),
        "p99s": charts.line([step.p99_ms for step in arm.steps], **SPARK),
    }


def _counts(slo: Slo) -> str:
    """Return what an objective's budget counts."""
    if slo.kind == Slo.Kind.QUALITY:
        return "spans" if slo.by_slices else "predictions"
    return "time slices" if slo.by_slices else "requests"


def slo_row(status: SloStatus) -> dict[str, Any]:
    """Return what a row of objectives prints."""
    mark, word = WORDS[status.standing]
    line = charts.line([1.0, *(step.left for step in status.steps)], **SPARK, high=1.0) if status.total else ""
    tone = "fail" if status.standing is Standing.MISSED else ""
    return {
        "of": status,
        "slo": status.slo,
        "target": float(status.slo.objective),
        "slice": slice_words(status.slo),
        "slice_length": SLICES.get(status.slo.slice_s or 0, ""),
        "budget_s": status.budget_minutes * 60,
        "over": window_words(status.slo),
        "counts": _counts(status.slo),
        "mark": mark,
        "word": word,
        "tone": tone,
        "line": line,
    }
