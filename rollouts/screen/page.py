"""What the page of one rollout shows, read in a number of queries that does not grow with its length."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.selectors import TrialEvidence, trial_evidence
from registry.selectors import Check
from rollouts.models import Rollout
from rollouts.plans.plan import Plan
from rollouts.plans.units import show_share
from rollouts.screen import drawing
from rollouts.screen.figures import Figure, figures
from rollouts.screen.guard_rows import Row, rows
from rollouts.selectors.criteria import criteria_checks, criteria_of
from rollouts.selectors.looking import look_at
from rollouts.services.moves import elapsed
from rollouts.states import State

STALE_AFTER = timedelta(seconds=30)  # of an open rollout that nothing has looked at


@dataclass(frozen=True)
class ShadowSeen:
    """What was seen while the candidate was asked and answered nobody."""

    running: bool
    pairs: int
    asked: int
    alike: float | None
    missing: int


@dataclass(frozen=True)
class Screen:
    """Where a rollout stands, as its page and its status say it.

    Attributes:
        stale: it is open, and nothing has looked at it for half a minute.
    """

    mark: str
    word: str
    sentence: str
    steps: list[drawing.StepMark]
    figures: list[Figure]
    rows: list[Row]
    shadow: ShadowSeen | None
    criteria: list[Check]
    stale: bool


def screen(rollout: Rollout, *, now: datetime) -> Screen:
    """Return where a rollout stands."""
    plan = rollout.plan
    state = State(rollout.state)
    began = rollout.acts.filter(weight_bp__gt=0).exists()
    elapsed_s = elapsed(rollout, now).total_seconds()
    reached = sorted(set(rollout.acts.filter(weight_bp__gt=0).values_list("weight_bp", flat=True)))
    evidence = trial_evidence(rollout.trial, now=now, since=rollout.phase_started_at) if rollout.trial else None
    is_shadow = state is State.SHADOW or (state is State.AWAITING and not began and plan.shadow is not None)
    mark, word = lead(rollout)
    drawn = rows(rollout, now=now)
    return Screen(
        mark=mark,
        word=word,
        sentence=_sentence(rollout, drawn),
        steps=drawing.step_marks(
            plan, state=state, step=rollout.step, began=began, elapsed_s=elapsed_s,
            paused=rollout.paused_at is not None, reached=reached,
        ),
        figures=figures(rollout, plan, evidence, is_shadow=is_shadow, elapsed_s=elapsed_s) if state.is_open and state is not State.PENDING else [],
        rows=drawn,
        shadow=_shadow(rollout, plan, evidence, state),
        criteria=_criteria(rollout, plan, now),
        stale=state.is_open and rollout.checked_at is not None and now - rollout.checked_at > STALE_AFTER,
    )  # fmt: skip


def _criteria(rollout: Rollout, plan: Plan, now: datetime) -> list[Check]:
    if not criteria_of(rollout):
        return []
    measured = look_at(rollout, plan, now=now).measures if State(rollout.state).is_open else None
    return criteria_checks(rollout, measured, now=now)


def lead(rollout: Rollout) -> tuple[str, str]:
    """Return mark and word of a rollout's state."""
    weight = show_share(rollout.weight_bp)
    match State(rollout.state):
        case State.PROMOTED:
            return "pass", "Promoted"
        case State.ROLLED_BACK:
            return "fail", "Rolled back"
        case State.ABORTED:
            return "skipped", "Aborted"
        case State.AWAITING:
            return "pending", f"Waits for a person at {weight}" if rollout.weight_bp else "Waits for a person"
        case _ if rollout.paused_at:
            return "warn", f"Paused at {weight}" if rollout.weight_bp else "Paused"
        case State.PENDING:
            return "todo", "About to begin"
        case State.SHADOW:
            return "live", "In shadow"
    return "live", f"Holding at {weight}"


def _sentence(rollout: Rollout, drawn: list[Row]) -> str:
    if rollout.outcome:
        return rollout.outcome
    failing = [row.guard.name for row in drawn if row.mark == "fail"]
    if failing:
        return f"Failed: {', '.join(failing)}. It goes back."
    passed = sum(row.mark == "pass" for row in drawn if row.guard.decides)
    deciding = sum(row.guard.decides for row in drawn)
    return f"No guardrail has failed; {passed} of {deciding} that decide {'has' if passed == 1 else 'have'} passed."


def _shadow(rollout: Rollout, plan: Plan, evidence: TrialEvidence | None, state: State) -> ShadowSeen | None:
    if plan.shadow is None or evidence is None:
        return None
    pairs = evidence.pairs
    alike = next((g.pairs for g in evidence.guards if g.guard.kind == "agreement" and g.pairs.answered_both), None)
    return ShadowSeen(
        running=state is State.SHADOW, pairs=pairs.answered_both, asked=plan.shadow.min_pairs,
        alike=alike.alike / alike.answered_both if alike else None, missing=pairs.missing,
    )  # fmt: skip
