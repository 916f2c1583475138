"""How retrainings look: marks and words of their states, the way of one, and rows of lists."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from monitoring.models import Retraining
from monitoring.retraining.states import State
from monitoring.selectors.retraining_lists import Overview, trail_of
from registry.criteria import metric_label
from registry.models import AuditEvent
from registry.states import PromotionState

STATE_MARKS = {
    State.DUE: ("pending", "Due"),
    State.HELD: ("pending", "Held"),
    State.FREEZING: ("live", "Freezing rows"),
    State.TRAINING: ("live", "Training"),
    State.EVALUATING: ("live", "Evaluating"),
    State.PROPOSED: ("pending", "Waits for approval"),
    State.MEASURED: ("pass", "Better, left to people"),
    State.PROMOTED: ("pass", "Promoted"),
    State.REFUSED: ("skipped", "Refused"),
    State.STOPPED: ("skipped", "Stopped"),
    State.FAILED: ("fail", "Failed"),
}
# What the state of its promotion says beyond that.
PROMOTION_MARKS = {
    (State.PROPOSED, PromotionState.APPROVED): ("live", "Approved, its rollout begins"),
    (State.PROPOSED, PromotionState.ROLLING_OUT): ("live", "Rolling out"),
    (State.PROMOTED, PromotionState.ROLLED_BACK): ("warn", "Promoted, rolled back since"),
    (State.REFUSED, PromotionState.REJECTED): ("skipped", "Refused by people"),
    (State.REFUSED, PromotionState.WITHDRAWN): ("skipped", "Withdrawn"),
    (State.REFUSED, PromotionState.ROLLED_BACK): ("warn", "Its rollout went back"),
}
# What the trail calls it, as people say it.
LOG_WORDS = {
    "retraining.ask": "Asked for", "retraining.due": "Became due", "retraining.hold": "Held",
    "retraining.start": "Started by hand", "retraining.freeze": "Freezing its rows began", "retraining.train": "Training began",
    "retraining.evaluate": "Evaluation began", "retraining.propose": "Promotion asked for", "retraining.rest": "Left to people",
    "retraining.promote": "Promoted", "retraining.refuse": "Not promoted", "retraining.stop": "Stopped", "retraining.fail": "Failed",
}  # fmt: skip
STEPS = [
    ("due", "Due", (State.DUE, State.HELD)), ("rows", "Rows frozen", (State.FREEZING,)),
    ("trained", "Trained", (State.TRAINING,)), ("measured", "Measured", (State.EVALUATING,)),
    ("proposed", "Proposed", ()), ("promoted", "Champion", (State.PROPOSED,)),
]  # fmt: skip


@dataclass(frozen=True)
class StepMark:
    """One step of a retraining's way: ``done``, ``now``, ``off`` where it ended before, or still to come."""

    title: str
    state: str
    note: str


@dataclass(frozen=True)
class LogLine:
    """One line of a retraining's log; ``by`` is empty where it went on by itself."""

    of: AuditEvent
    word: str
    by: str


@dataclass(frozen=True)
class Made:
    """One thing that came of a retraining, with its address."""

    title: str
    path: str


@dataclass(frozen=True)
class Row:
    """One retraining in a list."""

    of: Retraining
    mark: str
    word: str
    difference: str
    made: list[Made]


@dataclass(frozen=True)
class OverviewRow:
    """One model in a list."""

    of: Overview
    mark: str
    word: str
    last: Row | None
    next_turn: datetime | None


def lead(retraining: Retraining) -> tuple[str, str]:
    """Return mark and word of a retraining's state, and of what became of its promotion."""
    state = State(retraining.state)
    if retraining.promotion is None:
        return STATE_MARKS[state]
    return PROMOTION_MARKS.get((state, PromotionState(retraining.promotion.state)), STATE_MARKS[state])


def way(retraining: Retraining) -> list[StepMark]:
    """Return the steps of a retraining, with what each made."""
    reached = [
        retraining.dataset_version is not None, retraining.version is not None, bool(retraining.comparison),
        retraining.promotion is not None, retraining.state == State.PROMOTED,
    ]  # fmt: skip
    done = [retraining.started_at is not None, *reached]
    notes = [
        "", str(retraining.dataset_version or ""), f"v{retraining.version.number}" if retraining.version else "",
        difference(retraining), f"promotion {retraining.promotion.pk}" if retraining.promotion else "",
        lead(retraining)[1] if retraining.state == State.PROPOSED else "",
    ]  # fmt: skip
    marks = []
    for (_, title, states), has, note in zip(STEPS, done, notes, strict=True):
        state = "done" if has else "now" if retraining.state in states else "off" if retraining.ended_at else ""
        marks.append(StepMark(title, state, note))
    return marks


def log_of(retraining: Retraining) -> list[LogLine]:
    """Return what happened to a retraining, oldest first."""
    return [
        LogLine(event, LOG_WORDS.get(event.action, event.action), "" if event.via == "process" else event.actor)
        for event in trail_of(retraining)
    ]


def outcome(retraining: Retraining) -> str:
    """Return how it stands or ended, with what happened to the version since."""
    promotion, version = retraining.promotion, retraining.version
    if version and promotion and retraining.state == State.PROMOTED and promotion.state == PromotionState.ROLLED_BACK:
        return f"v{version.number} became champion, and was rolled back later."
    return retraining.outcome


def difference(retraining: Retraining) -> str:
    """Return how the new version compares with the champion, in short."""
    found = retraining.comparison
    if not found:
        return ""
    return f"{metric_label(found['metric'])} {found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def retraining_row(retraining: Retraining) -> Row:
    """Return a retraining as lists print it."""
    return Row(retraining, *lead(retraining), difference(retraining), made_of(retraining))


def made_of(retraining: Retraining) -> list[Made]:
    """Return what came of a retraining, in order: rows, jobs, version, promotion and rollout, of those there are."""
    version, promotion, evaluation = retraining.version, retraining.promotion, retraining.evaluation
    rows = retraining.dataset_version
    found = [
        Made(f"rows {rows}", rows.path) if rows else _job("rows: job", retraining.freeze_job_id),
        _job("training: job", retraining.job_id),
        Made(f"v{version.number}", version.path) if version else None,
        _job("evaluation: job", evaluation.job_id if evaluation else None),
        Made(f"promotion {promotion.pk}", promotion.path) if promotion else None,
        Made(f"rollout {promotion.carried_by.split('/')[-2]}", promotion.carried_by) if promotion and promotion.carried_by else None,
    ]  # fmt: skip
    return [one for one in found if one]


def _job(title: str, pk: int | None) -> Made | None:
    return Made(f"{title} {pk}", reverse("job", args=[pk])) if pk else None


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
