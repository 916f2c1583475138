"""What people do to a rollout: each act with its reason, in the log and in the audit trail."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from registry.access import Actor
from registry.audit_trail import audited
from registry.errors import ConflictError, CriteriaError, FourEyesError, InvalidError
from registry.models import ApiToken, Role
from registry.selectors import contributor_ids, policy_for
from rollouts.decisions import SHADOWED
from rollouts.models import Rollout
from rollouts.plans.freezes import frozen
from rollouts.selectors.criteria import Phase, criteria_gates, due_in
from rollouts.services.carrying import LAPSED, abort, approvals_hold, begin_step, promote, roll_back
from rollouts.services.moves import calm, locked, move
from rollouts.services.observing import Seen, observe
from rollouts.states import Ask, Event, State
from rollouts.verdicts import Outcome

RUNNERS = (Role.ENGINEER, Role.APPROVER)  # as of a rollback
CHOICES = ("continue", "promote", "roll_back")


@audited(again=True)
def rollout_pause(*, actor: Actor, rollout_id: int, reason: str, now: datetime) -> Rollout:
    """Hold a rollout where it is: weights stay, time does not count, and a fail still goes back.

    Raises:
        ConflictError: it ended, or is paused already.
        InvalidError: no reason was given.
    """
    rollout = _open(actor, rollout_id, reason)
    if rollout.paused_at:
        raise ConflictError("This rollout is paused already.")
    move(rollout, None, reason.strip(), action="rollout.pause", actor=actor, paused_at=now)
    return rollout


@audited(again=True)
def rollout_resume(*, actor: Actor, rollout_id: int, reason: str, now: datetime) -> Rollout:
    """Let a paused rollout go on; its deadline is later by the pause.

    Raises:
        ConflictError: it ended, or is not paused.
        InvalidError: no reason was given.
    """
    rollout = _open(actor, rollout_id, reason)
    if not rollout.paused_at:
        raise ConflictError("This rollout is not paused.")
    pause = max(now - rollout.paused_at, timedelta())
    move(
        rollout, None, reason.strip(), action="rollout.resume", actor=actor, paused_at=None,
        paused_for=rollout.paused_for + pause,
        deadline_at=rollout.deadline_at + pause if rollout.deadline_at else None,
    )  # fmt: skip
    return rollout


@audited(again=True)
def rollout_advance(*, actor: Actor, rollout_id: int, reason: str, now: datetime) -> Rollout:
    """Begin the next step now, whatever its predecessor still waits for; behind the last one comes :func:`rollout_decide`'s promotion.

    Raises:
        ConflictError: it ended, is paused, pending or frozen, or awaits a decision.
        CriteriaError, FourEyesError, RoleError: the next step is the last, and the actor may not take it.
        InvalidError: no reason was given.
    """
    rollout = _open(actor, rollout_id, reason)
    state = State(rollout.state)
    if state not in (State.SHADOW, State.CANARY):
        why = "Its candidate is not loaded yet." if state is State.PENDING else "It awaits a decision; decide on it."
        raise ConflictError(f"Nothing can be skipped. {why}")
    if rollout.paused_at:
        raise ConflictError("This rollout is paused; resume it first.")
    plan = rollout.plan
    _refuse_frozen(rollout, now)
    seen = _refuse_failed(rollout, now)
    known = seen.verdicts
    if state is State.SHADOW and (
        missing := [k for k in known if k.guard.kind in SHADOWED and k.guard.decides and k.outcome is not Outcome.PASS]
    ):
        raise CriteriaError(
            "What only a shadow can show has not passed yet, and could never pass later.",
            unmet=[{"rule": k.sentence, "who": "More requests; or a promotion whose plan does without."} for k in missing],
        )  # fmt: skip
    _refuse_unmet(rollout, seen)
    step = 0 if state is State.SHADOW else rollout.step + 1
    if step < len(plan.steps):
        begin_step(rollout, plan, step, reason.strip(), now=now, actor=actor)
    else:
        _promote(rollout, actor, reason, now)
    return rollout


@audited(again=True)
def rollout_decide(*, actor: Actor, rollout_id: int, choice: str, reason: str, now: datetime) -> Rollout:
    """Decide on a rollout that awaits it.

    Args:
        choice: ``continue`` (begin the step that was asked about, or go on with a new deadline), ``promote`` or ``roll_back``.

    Raises:
        ConflictError: it awaits no decision, or not this one.
        CriteriaError: a guardrail fails, or one that decides has no data; names each.
        FourEyesError: the actor had a part in the version.
        FreshLoginError: the policy asks for a newer log-in.
        RoleError: only an approver promotes.
        InvalidError: no reason was given, or the choice is unknown.
    """
    rollout = _open(actor, rollout_id, reason)
    if choice not in CHOICES:
        raise InvalidError(f"Choose one: {', '.join(CHOICES)}.", field="choice")
    if rollout.state != State.AWAITING:
        raise ConflictError("This rollout awaits no decision; pause, advance or abort it.")
    if choice == "roll_back":
        roll_back(rollout, reason.strip(), now=now, actor=actor)
    elif choice == "promote":
        if not rollout.weight_bp:
            raise ConflictError("The candidate has answered nobody yet; a step comes first.")
        _promote(rollout, actor, reason, now)
    else:
        _continue(rollout, actor, reason.strip(), now)
    return rollout


@audited(again=True)
def rollout_abort(*, actor: Actor, rollout_id: int, reason: str, now: datetime) -> Rollout:
    """Give all traffic back to the champion and end the rollout, whatever its verdicts.

    Raises:
        ConflictError: it ended.
        InvalidError: no reason was given.
    """
    rollout = _open(actor, rollout_id, reason)
    abort(rollout, reason.strip(), now=now, actor=actor)
    return rollout


def _open(actor: Actor, rollout_id: int, reason: str) -> Rollout:
    rollout = locked(rollout_id)
    actor.require(rollout.model.team, *RUNNERS)
    if not State(rollout.state).is_open:
        raise ConflictError(f"This rollout is {rollout.get_state_display()} already.")
    if not reason.strip():
        raise InvalidError("Say why; it stays in the rollout's log.", field="reason")
    return rollout


def _continue(rollout: Rollout, actor: Actor, reason: str, now: datetime) -> None:
    """Go on where it waited: begin the step that was asked about, or give the present phase a new deadline."""
    plan = rollout.plan
    _refuse_failed(rollout, now)
    match Ask(rollout.asks):
        case Ask.STEP:
            _refuse_frozen(rollout, now)
            begin_step(rollout, plan, rollout.step + 1 if rollout.weight_bp else 0, reason, now=now, actor=actor)
        case Ask.PROMOTE:
            raise ConflictError("Every guardrail that decides has passed: promote, or roll back.")
        case Ask.DEADLINE:
            move(
                rollout, Event.STEP if rollout.weight_bp else Event.SHADOW, reason, action="rollout.continue",
                actor=actor, asks="", waiting_for="", paused_at=None, deadline_at=now + timedelta(seconds=plan.max_duration_s),
            )  # fmt: skip
            calm(rollout, "awaits")


def _promote(rollout: Rollout, actor: Actor, reason: str, now: datetime) -> None:
    """Take the last step: by an approver who had no part in the version, with what is known; never against a fail, never without data."""
    team = rollout.model.team
    actor.require(team, Role.APPROVER, scope=ApiToken.Scope.DECIDE)
    if actor.user.pk in contributor_ids(rollout.promotion):
        raise FourEyesError(
            "You requested, made or contributed to this version, so another person takes the last step.",
            unmet=[{"rule": "a decision by somebody else", "who": f"another approver of {team.name}"}],
        )
    actor.require_fresh_login(policy_for(rollout.model))
    seen = _refuse_failed(rollout, now)
    known = seen.verdicts
    dark = [k for k in known if k.guard.decides and k.outcome is Outcome.NO_DATA]
    if dark or not known:
        raise CriteriaError(
            "Nothing is known of what decides, and nobody promotes on that.",
            unmet=[
                {"rule": k.sentence, "who": "Traffic, or labels; or a promotion whose plan does without."} for k in dark
            ],
        )
    _refuse_unmet(rollout, seen, phases=(Phase.SHADOW, Phase.CANARY))
    if not approvals_hold(rollout):
        raise CriteriaError(
            "The approvals that this rests on hold no longer.",
            unmet=[{"rule": LAPSED, "who": f"an engineer of {team.name} requests again, and others approve"}],
        )
    promote(rollout, reason.strip(), by=actor.user, now=now, actor=actor)


def _refuse_failed(rollout: Rollout, now: datetime) -> Seen:
    seen = observe(rollout, rollout.plan, now=now)
    failed = [k for k in seen.verdicts if k.outcome is Outcome.FAIL]
    if failed:
        raise CriteriaError(
            "A guardrail fails, so this rollout goes back by itself within seconds.",
            unmet=[
                {"rule": k.sentence, "who": "Nobody: a fail is not overruled. A new version, or a new promotion."}
                for k in failed
            ],
        )
    return seen


def _refuse_unmet(rollout: Rollout, seen: Seen, phases: Iterable[str] = ()) -> None:
    """Refuse to pass what blocking criteria ask for, in the phases that end unless others are named."""
    unmet = [gate for gate in criteria_gates(seen.criteria, phases or due_in(rollout)) if not gate.met]
    who = {check.criterion.position: check.who for check in seen.criteria}
    if unmet:
        raise CriteriaError(
            "Acceptance criteria of this promotion are not met.",
            unmet=[{"rule": gate.text, "who": who[int(gate.name.removeprefix("criterion:"))]} for gate in unmet],
        )


def _refuse_frozen(rollout: Rollout, now: datetime) -> None:
    held = frozen(rollout.plan.freezes, now)
    if held:
        raise ConflictError(
            f"Frozen until {held.until:%d %b %Y %H:%M %Z}: {held.reason}",
            unmet=[{"rule": "no freeze", "who": "Time. Rolling back is never frozen."}],
        )
