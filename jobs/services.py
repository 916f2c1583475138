"""What people and schedules ask of jobs. What a worker does with a job is in ``jobs.leases``."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from jobs.kinds import kind_named
from jobs.leases import log_append
from jobs.models import Job, Slot
from jobs.nudges import send_on_commit
from jobs.states import JOB, Event, State

WORK = "jobs.tasks.work"  # the task that looks at a queue


class SlotTakenError(Exception):
    """The schedule's turn was taken before."""


@transaction.atomic
def job_create(
    *, kind: str, scope: str, title: str, subject: str = "", params: dict[str, Any] | None = None,
    created_by: User | None = None, priority: int = 0, slot: tuple[str, datetime] | None = None,
) -> Job:  # fmt: skip
    """Queue a job. It exists once the caller's transaction commits, and a worker of its queue hears of it then.

    Args:
        scope: whose work it is; who may see it depends on this.
        subject: path of the page it is about, such as ``/models/x/``.
        params: what the handler needs, as JSON.
        priority: higher runs first within the queue.
        slot: the turn (schedule, instant) that this job is; the turn is taken with it.

    Raises:
        UnknownKindError: no app declares ``kind``.
        SlotTakenError: somebody took that turn before; no job was made.
    """
    declared = kind_named(kind)
    job = Job.objects.create(
        kind=kind, queue=declared.queue, max_attempts=declared.max_attempts, timeout_s=declared.timeout_s,
        memory_mb=declared.memory_mb, scope=scope, title=title, subject=subject, params=params or {},
        created_by=created_by, priority=priority,
    )  # fmt: skip
    if slot and not slot_take(schedule=slot[0], slot=slot[1], job=job):
        raise SlotTakenError(f"{slot[0]} has had its turn of {slot[1]:%Y-%m-%d %H:%M:%S}.")
    send_on_commit(WORK, job.queue)
    return job


@transaction.atomic
def job_cancel(*, job_id: int, by: str) -> Job:
    """Cancel a waiting job at once, or ask the worker of a running one to stop at its next heartbeat.

    Args:
        by: who asks, for the job's log.

    Raises:
        IllegalMoveError: the job has ended.
    """
    job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
    state = JOB.after(job.state, Event.CANCEL)
    asked_before = job.cancel_requested_at is not None
    if job.state == State.RUNNING:
        if not asked_before:
            Job.objects.filter(pk=job.pk).update(cancel_requested_at=Now())
    else:
        Job.objects.filter(pk=job.pk).update(state=state, cancel_requested_at=Now(), finished_at=Now())
    if not asked_before:
        log_append(job, f"{by} asked to cancel.")
    job.refresh_from_db()
    return job


@transaction.atomic
def job_retry(*, job_id: int, by: str) -> Job:
    """Queue a failed or cancelled job again, within the bounds that its kind has now.

    Args:
        by: who asks, for the job's log.

    Raises:
        IllegalMoveError: the job waits, runs or has succeeded.
        UnknownKindError: no app declares its kind any more.
    """
    job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
    job.state = JOB.after(job.state, Event.RETRY)
    kind = kind_named(job.kind)
    job.queue, job.timeout_s, job.memory_mb = kind.queue, kind.timeout_s, kind.memory_mb
    job.max_attempts = job.attempt + kind.max_attempts
    job.cancel_requested_at = job.finished_at = job.run_after = None
    job.progress, job.phase, job.error = 0.0, "", ""
    job.save()
    log_append(job, f"{by} asked to try again.")
    send_on_commit(WORK, job.queue)
    return job


def slot_take(*, schedule: str, slot: datetime, job: Job | None = None) -> bool:
    """Take one turn of a schedule; False where somebody else has it, however many callers try at once."""
    _, taken = Slot.objects.get_or_create(schedule=schedule, slot=slot, defaults={"job": job})
    return taken
