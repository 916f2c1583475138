"""A rollout on one screen of a terminal. Pure: what its page shows in, text out."""

from rollouts.models import Rollout
from rollouts.screen.drawing import StepMark
from rollouts.screen.guard_rows import Row
from rollouts.screen.page import Screen

WIDTH = 96
METER = 21  # characters; the middle one knows nothing


def status_text(rollout: Rollout, told: Screen) -> str:
    """Return where a rollout stands, for `watch curl`."""
    of = f"rollout {rollout.pk}  {rollout.model.name} v{rollout.candidate.number} beside v{rollout.champion.number}"
    lines = [f"{of:<{WIDTH - len(told.word)}}{told.word}", told.sentence]
    if rollout.waiting_for and not rollout.ended_at:
        lines.append(rollout.waiting_for)
    if told.stale:
        lines.append("STALE: nothing has looked at it for half a minute.")
    lines += ["", "  ".join(_step(mark) for mark in told.steps)]
    lines += ["", *(f"{f.label:<26}{f.value:>10} {f.of:<14}{f.note}" for f in told.figures)] if told.figures else []
    head = f"{'guardrail':<18}{'champion':>10}{'canary':>10}  {'allowed':<10}{'fail':<{METER // 2}} {'pass':>{METER // 2}}  verdict"
    lines += ["", head, *(_row(row) for row in told.rows)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _step(mark: StepMark) -> str:
    sign = {"done": "+", "failed": "x", "now": ">"}.get(mark.state, " ")
    return f"[{sign}] {mark.title}" + (f" ({mark.words})" if mark.state == "now" else "")


def _row(row: Row) -> str:
    cells = [" "] * METER
    for i in range(METER):
        if row.meter.x <= i / (METER - 1) * 100 <= row.meter.x + row.meter.width and row.meter.width:
            cells[i] = "="
    cells[METER // 2] = "|"
    return f"{row.guard.name[:17]:<18}{row.champion:>10}{row.canary:>10}  {row.allowed:<10}{''.join(cells)}  {row.word}, {row.meter.left}"
