"""What every move of a retraining has in common: the lock, the table of states, the row, one audit event."""

from datetime import datetime
from typing import Any

from jobs.models import Job
from jobs.services import job_create
from monitoring.models import Retraining, RetrainingWatch
from monitoring.retraining.states import RETRAINING, Event, State
from monitoring.services.alerting import alert_observe
from registry.access import Actor
from registry.audit_trail import audit
from registry.models import RegisteredModel

FREEZE = "retraining_freeze"  # the kind of job
ALERT = "retraining"


def watch_locked(model: RegisteredModel) -> RetrainingWatch:
    """Return a model's watch under its lock: whoever looks at the model, or moves its retraining, takes it first."""
    RetrainingWatch.objects.get_or_create(model=model)
    return RetrainingWatch.objects.select_for_update(of=("self",), no_key=True).get(model=model)


def locked(retraining_id: int) -> Retraining:
    """Return a retraining under the lock of its model's watch."""
    model = RegisteredModel.objects.get(retrainings=retraining_id)
    watch_locked(model)
    return Retraining.objects.select_related(
        "model__team", "policy__made_by", "freeze_job", "job", "dataset_version__dataset", "version__model", "promotion",
        "evaluation__job", "evaluation__against",
    ).get(pk=retraining_id)  # fmt: skip


def move(
    retraining: Retraining, event: Event, outcome: str, *, action: str, now: datetime, rule: str = "",
    actor: Actor | None = None, **changes: Any,
) -> None:  # fmt: skip
    """Move a retraining that is locked, and say so in the trail.

    Args:
        outcome: why, in a sentence that people read.
        rule: which rule holds or stops it.
        changes: of other fields.
    """
    before = State(retraining.state)
    state = RETRAINING.after(before, event)
    fields = {"held_until": None, **changes, "state": state, "outcome": outcome, "rule": rule}
    if not state.is_open:
        fields["ended_at"] = now
    for name, value in fields.items():
        setattr(retraining, name, value)
    retraining.save(update_fields=list(fields))
    audit(
        action=action, subject=retraining.path, actor=actor,
        process="" if actor else retraining.process, team=retraining.model.team.slug,
        payload={"model": retraining.model.name, "before": before, "after": state, "reason": outcome, "rule": rule},
    )  # fmt: skip
    _tell(retraining, state)


def begin(retraining: Retraining, *, now: datetime, actor: Actor | None = None) -> Job:
    """Begin the work on a retraining that is locked: queue the freezing of its rows."""
    owner = retraining.policy.made_by
    job = job_create(
        kind=FREEZE, scope=retraining.model.team.slug, title=f"Freeze rows to retrain {retraining.model.name}",
        subject=retraining.path, params={"retraining_id": retraining.pk}, created_by=owner,
    )  # fmt: skip
    move(
        retraining, Event.FREEZE, "Labelled predictions of the window become a data set version.", action="retraining.freeze",
        now=now, actor=actor, freeze_job=job, started_at=now,
    )  # fmt: skip
    return job


def stop(
    retraining: Retraining, why: str, *, now: datetime, rule: str, actor: Actor | None = None, **changes: Any
) -> None:
    """Stop a retraining: nothing of it is proposed."""
    move(retraining, Event.STOP, why, action="retraining.stop", now=now, rule=rule, actor=actor, **changes)


def fail(retraining: Retraining, why: str, *, now: datetime, rule: str) -> None:
    """Give a retraining up that could not be carried out."""
    move(retraining, Event.FAIL, why, action="retraining.fail", now=now, rule=rule)


def _tell(retraining: Retraining, state: State) -> None:
    """Tell the alerts of what people should know: that it failed, or found no better model."""
    if state.is_open:
        return
    worked = retraining.started_at is not None
    breached = worked and state in (State.FAILED, State.STOPPED) and retraining.rule != "person"
    what = "failed" if state is State.FAILED else "found no better version"
    alert_observe(
        model=retraining.model, kind=ALERT, key=ALERT, breached=breached if worked else None,
        title=f"Retraining {retraining.pk} of {retraining.model.name} {what}", link=retraining.path,
        next_step="Read why on its page; then ask for another one with other parameters or a longer window, or train by hand.",
        process=retraining.process,
    )  # fmt: skip
