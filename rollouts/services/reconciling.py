"""One step of one rollout: look, decide, move. Safe to run twice, by two at once, and to be killed anywhere."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from registry.audit_trail import audited
from registry.models import Alias
from registry.selectors.servables import is_routable
from rollouts.decisions import Action, Decision, Situation, decide
from rollouts.gateways.reports import not_loaded
from rollouts.models import LoadRefusal, Rollout
from rollouts.plans.plan import Plan
from rollouts.selectors.criteria import criteria_gates, due_in
from rollouts.services.carrying import (
    LAPSED,
    abort,
    approvals_hold,
    ask_for,
    begin_shadow,
    begin_step,
    promote,
    roll_back,
)
from rollouts.services.costs import charge
from rollouts.services.moves import HEARD, calm, elapsed, locked, warn
from rollouts.services.observing import Seen, observe
from rollouts.services.plans import key_column_refused
from rollouts.services.starting import decided_by, promotions_waiting, rollout_start, yardstick
from rollouts.states import OPEN, State

logger = logging.getLogger(__name__)
LOOKED = timedelta(seconds=5)  # how often a look that changes nothing is written down
REFUSED_FOR = timedelta(seconds=60)  # a gateway tries again every 30 s: files may still be on their way
CHARGED_EVERY_S = 10
SETTLING = timedelta(minutes=1)  # records of the last requests still come in
STUCK = timedelta(minutes=5)


def reconcile_all(*, now: datetime) -> bool:
    """Take up what waits and look at each rollout that goes on; return whether that changed what is to be served.

    One that cannot be looked at is told in the log, and holds up no other.
    """
    moved = False
    for promotion in promotions_waiting():
        with _told(f"promotion {promotion}"):
            moved |= rollout_start(promotion_id=promotion, now=now) is not None
    for pk, state, step in list(
        Rollout.objects.filter(state__in=OPEN).order_by("pk").values_list("pk", "state", "step")
    ):
        with _told(f"rollout {pk}"):
            after = rollout_reconcile(rollout_id=pk, now=now)
            moved |= (after.state, after.step) != (state, step)
    for rollout in Rollout.objects.filter(ended_at__gt=now - SETTLING).select_related("candidate"):
        with _told(f"rollout {rollout.pk}"):
            charge(rollout, now=now)
    return moved


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("%s was not looked at", what)


@audited()
def rollout_reconcile(*, rollout_id: int, now: datetime) -> Rollout:
    """Look at a rollout and take at most one step."""
    rollout = locked(rollout_id)
    if not State(rollout.state).is_open:
        return rollout
    held = Alias.objects.filter(model=rollout.model, name="champion").select_related("version").first()
    if held is None or held.version_id != rollout.champion_id:
        to = f"v{held.version.number}" if held else "nothing"
        abort(rollout, f"Champion was moved to {to} meanwhile, which is what holds.", now=now)
        return rollout
    plan = rollout.plan
    seen = observe(rollout, plan, now=now)
    pending = rollout.state == State.PENDING
    plan, unmeasured = yardstick(rollout, plan, now=now) if pending else (plan, "")
    situation = situation_of(
        rollout, seen, now=now, obstacle=(not_loaded(rollout.candidate) or unmeasured) if pending else ""
    )
    _apply(rollout, plan, decide(plan, situation), now=now)
    return rollout


def situation_of(rollout: Rollout, seen: Seen, *, now: datetime, obstacle: str = "") -> Situation:
    """Return what the decision rests on."""
    return Situation(
        state=State(rollout.state),
        step=rollout.step,
        now=now,
        elapsed=elapsed(rollout, now),
        is_shadow=bool(rollout.shadow_bp),
        paused=rollout.paused_at is not None,
        obstacle=obstacle,
        broken=_broken(rollout, now),
        deadline=rollout.deadline_at,
        counts=seen.counts,
        verdicts=seen.verdicts,
        criteria=criteria_gates(seen.criteria, due_in(rollout)),
    )


def _broken(rollout: Rollout, now: datetime) -> str:
    """Return why the candidate can never be served, or could no longer be told apart; empty where it can."""
    candidate = rollout.candidate
    if not is_routable(candidate):
        return f"v{candidate.number} cannot be served: {candidate.refusal or 'gateways are not told of it any more'}."
    if why := key_column_refused(rollout.plan, candidate):
        return why
    refusal = LoadRefusal.objects.filter(version=candidate, cleared_at__isnull=True).order_by("noticed_at").first()
    answers = rollout.weight_bp or rollout.shadow_bp
    if refusal and (answers or now - refusal.noticed_at >= REFUSED_FOR):
        return f"Gateways refuse to load v{candidate.number}: {refusal.reason}"
    return ""


def _apply(rollout: Rollout, plan: Plan, decision: Decision, *, now: datetime) -> None:
    match decision.action:
        case Action.HOLD:
            _hold(rollout, decision, now=now)
        case Action.SHADOW:
            begin_shadow(rollout, plan, decision.reason, now=now)
        case Action.STEP:
            begin_step(rollout, plan, decision.step, decision.reason, now=now)
        case Action.ASK:
            assert decision.ask  # noqa: S101  an ask says for what
            ask_for(rollout, plan, decision, decision.ask, now=now)
        case Action.PROMOTE if not approvals_hold(rollout):
            abort(rollout, LAPSED, now=now)
        case Action.PROMOTE:
            promote(rollout, decision.reason, by=decided_by(rollout.promotion), now=now)
        case Action.ROLL_BACK:
            roll_back(rollout, decision.reason, now=now)


def _hold(rollout: Rollout, decision: Decision, *, now: datetime) -> None:
    if decision.silent:
        warn(
            rollout,
            "no_data",
            f"Rollout of v{rollout.candidate.number}: nothing was heard of it for a minute. {decision.reason}",
            next_step=HEARD,
        )
    elif rollout.state == State.PENDING and not rollout.paused_at and now - rollout.started_at >= STUCK:
        warn(
            rollout, "no_data", f"Rollout of v{rollout.candidate.number} cannot begin: {decision.reason}",
            next_step="See on its page what it waits for; gateways may not have loaded the version.",
        )  # fmt: skip
    else:
        calm(rollout, "no_data")
    waiting_for = rollout.waiting_for if rollout.state == State.AWAITING else decision.reason
    last = rollout.checked_at or rollout.started_at
    if waiting_for != rollout.waiting_for or now - last >= LOOKED:
        rollout.waiting_for, rollout.checked_at = waiting_for, now
        rollout.save(update_fields=["waiting_for", "checked_at"])
    if rollout.weight_bp and now.timestamp() // CHARGED_EVERY_S != last.timestamp() // CHARGED_EVERY_S:
        charge(rollout, now=now)
