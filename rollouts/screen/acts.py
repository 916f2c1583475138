"""What a person may do to a rollout now, in words; what is not theirs stays visible with its reason. The services hold the rules."""

from dataclasses import dataclass

from registry.access import Actor
from registry.models import Promotion, Role
from registry.selectors import contributor_ids
from registry.states import PromotionState
from rollouts.models import Rollout
from rollouts.plans.units import show_share
from rollouts.services.people import RUNNERS
from rollouts.states import Ask, State


@dataclass(frozen=True)
class Act:
    """One thing to do.

    Attributes:
        name: as in its address.
        label: of the button; ``verb`` that of the dialog.
        means: what happens then.
        blocked: why it is not possible, and who could; empty where it is.
    """

    name: str
    label: str
    title: str
    verb: str
    means: str
    danger: bool = False
    primary: bool = False
    blocked: str = ""


def acts_for(rollout: Rollout, actor: Actor) -> list[Act]:
    """Return the acts that are open to the state; none once it ended. Deciding has a place of its own."""
    state = State(rollout.state)
    if not state.is_open:
        return []
    role = actor.role_in(rollout.model.team)
    blocked = "" if role in RUNNERS else f"engineers and approvers of {rollout.model.team.name} do this."
    number, champion = rollout.candidate.number, rollout.champion.number
    paused = rollout.paused_at is not None
    found = [
        Act(
            "resume", "Resume", "Let it go on?", "Resume",
            "Time counts again from where it stood, and the deadline is later by the pause.", blocked=blocked,
        )
        if paused
        else Act(
            "pause", "Pause", "Hold it where it is?", "Pause",
            f"v{number} keeps its share of the callers and time does not count; a guardrail that fails still goes back.",
            blocked=blocked,
        )
    ]  # fmt: skip
    if state in (State.SHADOW, State.CANARY):
        found.append(_advance(rollout, state, blocked or ("it is paused; resume it first." if paused else "")))
    return [
        *found,
        Act(
            "abort", "Abort…", f"Give all traffic back to v{champion}?", "Abort the rollout",
            f"Every caller is answered by v{champion} within two seconds, the rollout ends, and its promotion with it. "
            f"What was measured of v{number} stays.", danger=True, blocked=blocked,
        ),
    ]  # fmt: skip


def _advance(rollout: Rollout, state: State, blocked: str) -> Act:
    steps = rollout.plan.steps
    step = 0 if state is State.SHADOW else rollout.step + 1
    to = show_share(steps[step].weight_bp) if step < len(steps) else "100%"
    if step < len(steps):
        means = f"The step to {to} begins now, whatever the present one still waits for. A guardrail that fails still goes back."
    else:
        means = (
            f"v{rollout.candidate.number} becomes champion with what is known now. This asks for an approver who had no part "
            "in the version; it is refused while a guardrail fails or one that decides has no data."
        )
    return Act("advance", f"Advance to {to}", f"Advance to {to} now?", f"Advance to {to}", means, blocked=blocked)


def choices_for(rollout: Rollout, actor: Actor) -> list[Act]:
    """Return what may be chosen while a decision is awaited, the expected answer first; none while none is."""
    if rollout.state != State.AWAITING:
        return []
    team = rollout.model.team
    role = actor.role_in(team)
    runs = "" if role in RUNNERS else f"Engineers and approvers of {team.name} decide."
    promotes = runs
    if not runs and role != Role.APPROVER:
        promotes = f"an approver of {team.name} takes the last step."
    elif not runs and actor.user.pk in contributor_ids(rollout.promotion):
        promotes = f"you had a part in this version; another approver of {team.name} takes the last step."
    ask = Ask(rollout.asks)
    number, champion = rollout.candidate.number, rollout.champion.number
    found = []
    if ask is not Ask.PROMOTE:
        to = _next(rollout) if ask is Ask.STEP else f"{show_share(rollout.weight_bp)} for another term"
        label = f"Continue to {to}" if ask is Ask.STEP else f"Go on at {to}"
        found.append(Act("continue", label, "", label, "", primary=ask is Ask.STEP, blocked=runs))
    if rollout.weight_bp:
        found.append(Act("promote", f"Promote v{number}", "", "", "", primary=ask is Ask.PROMOTE, blocked=promotes))
    found.append(Act("roll_back", f"Roll back to v{champion}", "", "", "", danger=True, blocked=runs))
    return found


def _next(rollout: Rollout) -> str:
    steps = rollout.plan.steps
    step = rollout.step + 1 if rollout.weight_bp else 0
    return show_share(steps[step].weight_bp) if step < len(steps) else "100%"


def may_bring_plan(actor: Actor, promotion: Promotion) -> bool:
    """Whether the actor may have this promotion go by a plan of its own: who asked for it, before anybody decided."""
    return (
        promotion.state == PromotionState.REQUESTED
        and promotion.alias == "champion"
        and promotion.requested_by_id == actor.user.pk
        and not promotion.approvals.exists()
    )
