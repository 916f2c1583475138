"""The drawing of an error budget over its window, with what happened to the model's traffic marked on the time axis."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monitoring.selectors import Mark, SloStatus

WIDTH, HEIGHT, LEFT = 676.0, 190.0, 44.0


def burn_down(status: SloStatus, marks: Sequence[Mark], *, now: datetime) -> dict[str, Any]:
    """Return the budget left from the window's start to its end; an overspent budget widens the scale downwards."""
    window = status.window
    shares = [(step.at, step.left) for step in status.steps if step.left is not None]
    low = min(0.0, *(share for _, share in shares))
    span = window.length.total_seconds()

    def x(at: datetime) -> float:
        return round(min(max((at - window.start).total_seconds() / span, 0.0), 1.0) * WIDTH, 1)

    def y(share: float) -> float:
        return round(HEIGHT - (share - low) / (1.0 - low) * HEIGHT, 1)

    ends = [at for at, _ in shares[1:]] + [min(now, window.end)]
    points = [(0.0, y(1.0)), *((x(end), y(share)) for end, (_, share) in zip(ends, shares, strict=True))]
    return {
        "width": WIDTH + LEFT,
        "path": "M" + " L".join(f"{a},{b}" for a, b in points),
        "grid": [(y(share), share) for share in ([1.0, 0.5, 0.0] if low == 0 else [1.0, 0.0, low])],
        "zero": y(0.0),
        "ideal": f"M0,{y(1.0)} L{WIDTH},{y(0.0)}",
        "from": window.start,
        "to": window.end,
        "now": x(now),
        "marks": [
            {"x": x(mark.at), "width": max(x(mark.until or now) - x(mark.at), 2.0) if mark.kind == "rollout" else 0.0,
             "of": mark, "n": n}
            for n, mark in enumerate(marks, 1)
        ],
    }  # fmt: skip
