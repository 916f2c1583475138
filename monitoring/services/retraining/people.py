"""What people do to retrainings: ask for one, start what was proposed, stop one. Each gives a reason."""

from datetime import datetime

from jobs.models import Job
from jobs.services import job_cancel
from jobs.states import State as JobState
from monitoring.models import Retraining
from monitoring.retraining.states import State
from monitoring.services.retraining.looking import slot_after
from monitoring.services.retraining.steps import begin, locked, stop, watch_locked
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import RegisteredModel, Role


@audited()
def retraining_ask(*, actor: Actor, model: RegisteredModel, reason: str, now: datetime) -> Retraining:
    """Ask for a retraining now, by the policy in force: its conditions, quiet hours and pauses are passed over, the rest holds.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: no reason was given.
        ConflictError: the model has no policy, or one is open already.
    """
    actor.require(model.team, Role.ENGINEER)
    if not reason.strip():
        raise InvalidError("Say why it should be trained anew now.", field="reason")
    watch_locked(model)
    policy = model.retraining_policies.first()
    if policy is None:
        raise ConflictError(
            f"{model.name} has no retraining policy.",
            unmet=[{"rule": "a retraining policy", "who": f"an engineer of {model.team.name} saves one"}],
        )
    last = Retraining.objects.filter(model=model).first()
    if last and last.ended_at is None:
        raise ConflictError(f"Retraining {last.pk} of {model.name} is {last.state} already: see {last.path}")
    retraining = Retraining.objects.create(
        model=model, policy=policy, slot=slot_after(last), why=f"asked for: {reason.strip()}", due_at=now,
        asked_by=actor.user,
    )  # fmt: skip
    audit(
        action="retraining.ask", subject=retraining.path, actor=actor, team=model.team.slug,
        payload={"model": model.name, "policy": policy.number, "slot": retraining.slot, "reason": reason.strip()},
    )  # fmt: skip
    return retraining


@audited()
def retraining_start(*, actor: Actor, retraining_id: int, reason: str, now: datetime) -> Job:
    """Start a retraining that waits for a person's word, or for a pause to pass.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: no reason was given.
        ConflictError: it does not wait, or lacks labels or waits for a promotion, which no word replaces.
    """
    retraining = locked(retraining_id)
    actor.require(retraining.model.team, Role.ENGINEER)
    if not reason.strip():
        raise InvalidError("Say why it should start now.", field="reason")
    if retraining.state != State.HELD:
        raise ConflictError(f"This retraining is {retraining.state}; one that is held can be started.")
    if retraining.rule in ("labels", "promotion"):
        raise ConflictError(
            retraining.outcome,
            unmet=[{"rule": retraining.outcome, "who": "nobody by a word: it starts once that has changed"}],
        )
    retraining.asked_by = actor.user
    retraining.save(update_fields=["asked_by"])
    audit(
        action="retraining.start", subject=retraining.path, actor=actor, team=retraining.model.team.slug,
        payload={"model": retraining.model.name, "reason": reason.strip(), "held_by": retraining.rule},
    )  # fmt: skip
    return begin(retraining, now=now, actor=actor)


@audited()
def retraining_stop(*, actor: Actor, retraining_id: int, reason: str, now: datetime) -> Retraining:
    """Stop a retraining before its promotion is open; its job is cancelled.

    Raises:
        RoleError: the actor may only look.
        InvalidError: no reason was given.
        ConflictError: it has ended, or people decide on its promotion.
    """
    retraining = locked(retraining_id)
    actor.require(retraining.model.team, *WRITERS)
    if not reason.strip():
        raise InvalidError("Say why it is stopped.", field="reason")
    if retraining.ended_at or retraining.state == State.PROPOSED:
        raise ConflictError(
            f"This retraining is {retraining.state}."
            + (" Refuse or withdraw its promotion." if retraining.state == State.PROPOSED else "")
        )
    evaluation = retraining.evaluation.job if retraining.evaluation else None
    for job in filter(None, (retraining.freeze_job, retraining.job, evaluation)):
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            job_cancel(job_id=job.pk, by=actor.user.get_username())
    stop(retraining, reason.strip(), now=now, rule="person", actor=actor)
    return retraining
