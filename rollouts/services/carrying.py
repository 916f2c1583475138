"""What moves a rollout on or ends it; each is called with the rollout locked, and writes all of it in that transaction."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from monitoring.services import trial_close
from registry.access import Actor
from registry.models import Alert, ArtifactState
from registry.services import evidence_record, promotion_complete, promotion_roll_back
from rollouts.decisions import Decision
from rollouts.links import links_for, ways
from rollouts.models import Rollout
from rollouts.plans.plan import Plan
from rollouts.selectors.criteria import criteria_of, evidence_so_far
from rollouts.selectors.looking import look_at
from rollouts.selectors.verdicts import latest_verdicts
from rollouts.services.costs import charge
from rollouts.services.moves import HEARD, PROCESS, calm, move, warn
from rollouts.services.starting import open_trial
from rollouts.states import Ask, Event


def begin_shadow(rollout: Rollout, plan: Plan, reason: str, *, now: datetime, actor: Actor | None = None) -> None:
    """Have the candidate asked beside the champion; the rollout is locked."""
    assert plan.shadow  # noqa: S101  the caller asked
    open_trial(rollout, plan)
    move(
        rollout, Event.SHADOW, reason, action="rollout.shadow", actor=actor, shadow_bp=plan.shadow.share_bp,
        **_fresh_phase(now), deadline_at=now + timedelta(seconds=plan.max_duration_s),
    )  # fmt: skip


def begin_step(
    rollout: Rollout, plan: Plan, step: int, reason: str, *, now: datetime, actor: Actor | None = None
) -> None:  # fmt: skip
    """Give the candidate the share of ``step``; the rollout is locked."""
    if rollout.trial is None:
        open_trial(rollout, plan)
    else:
        _push_evidence(rollout, now=now)
    deadline = rollout.deadline_at or now + timedelta(seconds=plan.max_duration_s)
    move(
        rollout, Event.STEP, reason, action="rollout.step", actor=actor, step=step, weight_bp=plan.steps[step].weight_bp, shadow_bp=0,
        asks="", **_fresh_phase(now), deadline_at=deadline,
    )  # fmt: skip
    calm(rollout, "no_data", "awaits")
    charge(rollout, now=now)


def _fresh_phase(now: datetime) -> dict[str, Any]:
    return {"phase_started_at": now, "paused_for": timedelta(), "paused_at": None, "waiting_for": "", "checked_at": now}


def ask_for(rollout: Rollout, plan: Plan, decision: Decision, ask: Ask, *, now: datetime) -> None:
    """Wait for a person's decision; weights stay, and so does the watch over them; the rollout is locked."""
    if rollout.trial is None:
        open_trial(rollout, plan)  # the plan is fixed from here on
    links = links_for(rollout, ask)
    move(
        rollout, Event.ASK, decision.reason, action="rollout.ask", asks=ask, waiting_for=decision.reason,
        payload={"asks": ask, "gates": [gate.text for gate in decision.gates], "links": links},
    )  # fmt: skip
    if decision.silent:
        warn(
            rollout,
            "no_data",
            f"Rollout of v{rollout.candidate.number}: nothing was heard of it for a minute. {decision.reason}",
            next_step=HEARD,
        )
    warn(
        rollout, "awaits", f"Rollout of v{rollout.candidate.number} awaits a decision: {decision.reason}",
        next_step="Look at its evidence and decide; the weights stay as they are until then.", actions=ways(links, now=now),
    )  # fmt: skip


AGAIN = "Read why on its page; mend the version or its plan, and ask for a promotion anew."
LAPSED = "Its approvals hold no longer: a waiver or a standing approval ended, or the policy asks for more by now. It is asked for anew."


def approvals_hold(rollout: Rollout) -> bool:
    """Tell whether PostgreSQL would still let ``champion`` move by the promotion: a rollout may outlast a waiver or a policy."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT registry_quorum_reached(%s)", [rollout.promotion_id])
        return bool(cursor.fetchone()[0])


def promote(rollout: Rollout, reason: str, *, by: User, now: datetime, actor: Actor | None = None) -> None:
    """Make the candidate champion: alias and state move in this transaction; the rollout is locked."""
    _push_evidence(rollout, now=now)
    move(rollout, Event.PROMOTE, reason, action="rollout.promote", actor=actor, **_ended(rollout, reason, now))
    promotion_complete(promotion_id=rollout.promotion_id, by=by, actor=actor, process="" if actor else PROCESS)
    _close(rollout, now=now)


def roll_back(rollout: Rollout, reason: str, *, now: datetime, actor: Actor | None = None) -> None:
    """Give all traffic back to the champion, because the candidate failed; the rollout is locked."""
    _push_evidence(rollout, now=now)
    move(rollout, Event.FAIL, reason, action="rollout.roll_back", actor=actor, **_ended(rollout, reason, now))
    _give_back(rollout, reason, now=now, actor=actor)
    severity = Alert.Severity.WARNING if actor else Alert.Severity.CRITICAL
    warn(rollout, "rolled_back", f"{_back(rollout)} was rolled back. {reason}", severity=severity, next_step=AGAIN)


def abort(rollout: Rollout, reason: str, *, now: datetime, actor: Actor | None = None) -> None:
    """Give all traffic back to the champion, whatever the verdicts; the rollout is locked."""
    _push_evidence(rollout, now=now)
    move(rollout, Event.ABORT, reason, action="rollout.abort", actor=actor, **_ended(rollout, reason, now))
    _give_back(rollout, reason, now=now, actor=actor)
    if actor is None:
        warn(rollout, "aborted", f"{_back(rollout)} was aborted. {reason}", next_step=AGAIN)


def _back(rollout: Rollout) -> str:
    return f"v{rollout.champion.number} goes on: the rollout of v{rollout.candidate.number}"


def _ended(rollout: Rollout, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "weight_bp": 0, "shadow_bp": 0, "asks": "", "waiting_for": "", "ended_at": now, "outcome": reason,
        "checked_at": now, "payload": _verdicts(rollout),
    }  # fmt: skip


def _give_back(rollout: Rollout, reason: str, *, now: datetime, actor: Actor | None) -> None:
    process = "" if actor else PROCESS
    promotion_roll_back(promotion_id=rollout.promotion_id, reason=reason, actor=actor, process=process)
    _close(rollout, now=now)


def _close(rollout: Rollout, *, now: datetime) -> None:
    if rollout.trial_id:
        trial_close(trial_id=rollout.trial_id)
    calm(rollout, "no_data", "awaits")
    charge(rollout, now=now)


def _verdicts(rollout: Rollout) -> dict[str, object]:
    return {
        "verdicts": [
            {
                "metric": row.metric,
                "outcome": row.outcome,
                "against": row.most_against,
                "threshold": row.threshold,
                "n": row.n,
            }
            for row in latest_verdicts(rollout).values()
        ]
    }


def _push_evidence(rollout: Rollout, *, now: datetime) -> None:
    """Hand the registry what the phase that ends here measured of the candidate: it stays, however the rollout ends."""
    candidate = rollout.candidate
    if candidate.artifact_state != ArtifactState.VERIFIED or not (rollout.weight_bp or rollout.shadow_bp):
        return
    where = f"step {rollout.step + 1} at {rollout.weight_bp / 100:g}%" if rollout.weight_bp else "shadow"
    verdicts = latest_verdicts(rollout)
    measured = look_at(rollout, rollout.plan, now=now).measures
    for one in evidence_so_far(rollout, measured, criteria_of(rollout), now=now):
        verdict = verdicts.get(one.detail.get("guardrail", ""))
        evidence_record(
            version=candidate, metric=one.metric, value=one.value, ci_low=one.ci_low, ci_high=one.ci_high,
            sample_size=min(one.sample_size or 0, 2**31 - 1), kind=one.kind, against=one.against,
            data_set=one.data_set, data_slice=one.data_slice,
            detail={"rollout": rollout.pk, "phase": where, "champion": rollout.champion.number, **one.detail}
            | ({"outcome": verdict.outcome, "verdict": verdict.detail} if verdict else {}),
        )  # fmt: skip
