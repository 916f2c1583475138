"""How retrainings look: marks and words of their states, the way of one, and rows of lists."""

from dataclasses import dataclass
from datetime import datetime

from monitoring.models import Retraining
from monitoring.retraining.states import State
from monitoring.selectors.retraining_lists import Overview
from registry.criteria import metric_label

STATE_MARKS = {
    State.DUE: ("pending", "Due"),
    State.HELD: ("pending", "Held"),
    State.FREEZING: ("live", "Freezing rows"),
    State.TRAINING: ("live", "Training"),
    State.EVALUATING: ("live", "Evaluating"),
    State.PROPOSED: ("pending", "Waits for approval"),
    State.MEASURED: ("pass", "Better, left to people"),
    State.PROMOTED: ("pass", "Promoted"),
    State.REFUSED: ("skipped", "Refused by people"),
    State.STOPPED: ("skipped", "Stopped"),
    State.FAILED: ("fail", "Failed"),
}
STEPS = [
    ("due", "Due", (State.DUE, State.HELD)), ("rows", "Rows frozen", (State.FREEZING,)),
    ("trained", "Trained", (State.TRAINING,)), ("measured", "Measured", (State.EVALUATING,)),
    ("proposed", "Proposed", (State.PROPOSED,)), ("promoted", "Champion", ()),
]  # fmt: skip


@dataclass(frozen=True)
class StepMark:
    """One step of a retraining's way: ``done``, ``now``, ``off`` where it ended before, or still to come."""

    title: str
    state: str
    note: str


@dataclass(frozen=True)
class Row:
    """One retraining in a list."""

    of: Retraining
    mark: str
    word: str
    difference: str


@dataclass(frozen=True)
class OverviewRow:
    """One model in a list."""

    of: Overview
    mark: str
    word: str
    last: Row | None
    next_turn: datetime | None


def lead(retraining: Retraining) -> tuple[str, str]:
    """Return mark and word of a retraining's state."""
    return STATE_MARKS[State(retraining.state)]


def way(retraining: Retraining) -> list[StepMark]:
    """Return the steps of a retraining, with what each made."""
    reached = [
        retraining.dataset_version is not None, retraining.version is not None, bool(retraining.comparison),
        retraining.promotion is not None, retraining.state == State.PROMOTED,
    ]  # fmt: skip
    done = [retraining.started_at is not None, *reached]
    notes = [
        "", str(retraining.dataset_version or ""), f"v{retraining.version.number}" if retraining.version else "",
        difference(retraining), f"promotion {retraining.promotion.pk}" if retraining.promotion else "", "",
    ]  # fmt: skip
    marks = []
    for (_, title, states), has, note in zip(STEPS, done, notes, strict=True):
        state = "done" if has else "now" if retraining.state in states else "off" if retraining.ended_at else ""
        marks.append(StepMark(title, state, note))
    return marks


def difference(retraining: Retraining) -> str:
    """Return how the new version compares with the champion, in short."""
    found = retraining.comparison
    if not found:
        return ""
    return f"{metric_label(found['metric'])} {found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def retraining_row(retraining: Retraining) -> Row:
    """Return a retraining as lists print it."""
    return Row(retraining, *lead(retraining), difference(retraining))


def overview_row(overview: Overview) -> OverviewRow:
    """Return a model as lists print it."""
    last, watch = overview.last, overview.watch
    if not overview.policy.enabled:
        mark, word = "skipped", "Switched off"
    elif last and last.ended_at is None:
        mark, word = lead(last)
    elif watch and watch.fault:
        mark, word = "fail", "Cannot be looked at"
    else:
        mark, word = "pass", "Watched"
    return OverviewRow(
        overview, mark, word, retraining_row(last) if last else None, watch.next_turn_at if watch else None
    )
