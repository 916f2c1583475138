"""What the holder of a job's lease may do, and what happens when the holder is gone.

Every write names the attempt it speaks for. The attempt is the fencing token: once another claim has raised it, the
former holder's writes find no row and raise :class:`LeaseLostError`. All instants are the database's, so that no
host's clock can make a lease look expired.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Count, F, Max, When
from django.db.models.functions import Now

from jobs.models import Attempt, Job, LogLine
from jobs.states import JOB, Event, Outcome, State, backoff_s, event_after

LONGEST_LINE = 4000
REAPED_AT_ONCE = 100


class LeaseLostError(Exception):
    """Another attempt holds the job now, or it has ended; whatever this one does no longer counts."""


class JobCancelledError(Exception):
    """Somebody asked to cancel the job; the attempt should end without an effect."""


class Pulse(StrEnum):
    """What a heartbeat learns."""

    ALIVE = "alive"
    CANCEL = "cancel"
    LOST = "lost"


@transaction.atomic
def job_claim(*, queue: str, worker: str) -> Job | None:
    """Take the next waiting job of ``queue`` for ``worker``, or None where nothing waits.

    Higher priority goes first; among equals the turn is of whom the fewest jobs run here, so that one team's hundred jobs
    do not hold up another's one; then the older. Who has as many running as allowed waits. Claims of one queue follow each
    other, so that no two of them count the same free place.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"jobs:{queue}"])
    running = running_by_scope(queue)
    full = full_scopes(queue, running)
    theirs = [Case(*(When(scope=scope, then=count) for scope, count in running.items()), default=0)] if running else []
    waiting = Job.objects.waiting().filter(queue=queue).exclude(scope__in=full)
    job = waiting.order_by("-priority", *theirs, "id").select_for_update(skip_locked=True, no_key=True).first()
    if job is None:
        return None
    Job.objects.filter(pk=job.pk).update(
        state=JOB.after(job.state, Event.CLAIM),
        attempt=F("attempt") + 1,
        worker=worker,
        lease_expires_at=_lease_end(),
        started_at=Now(),
        run_after=None,
        progress=0.0,
        phase="",
        error="",
    )
    job.refresh_from_db()
    Attempt.objects.create(job=job, number=job.attempt, worker=worker, started_at=Now())
    return job


def running_by_scope(queue: str) -> dict[str, int]:
    """Return how many jobs of ``queue`` run now, by whose they are."""
    running = Job.objects.filter(queue=queue, state=State.RUNNING).order_by()
    return dict(running.values_list("scope").annotate(count=Count("pk")))


def full_scopes(queue: str, running: dict[str, int]) -> list[str]:
    """Return who has as many jobs of ``queue`` running as allowed, so that theirs wait whatever is free."""
    return [scope for scope, count in running.items() if (most := most_at_once(scope, queue)) and count >= most]


def most_at_once(scope: str, queue: str) -> int | None:
    """Return how many jobs of ``queue`` may run at once for ``scope``, on all workers together; None: no limit of its own."""
    limits = settings.JOB_TEAM_SEATS
    return limits.get(f"{scope}:{queue}", limits.get(queue))


@transaction.atomic
def job_heartbeat(*, job_id: int, attempt: int) -> Pulse:
    """Renew the lease of ``attempt`` and tell whether to go on.

    It never waits for a lock: a row that is locked is just being finished, and the reaper skips locked rows too.
    """
    job = Job.objects.held_by(job_id, attempt).only("cancel_requested_at").first()
    if job is None:
        return Pulse.LOST
    free = Job.objects.held_by(job_id, attempt).select_for_update(skip_locked=True, no_key=True)
    Job.objects.filter(pk__in=free.values("pk")).update(lease_expires_at=_lease_end())
    return Pulse.CANCEL if job.cancel_requested_at else Pulse.ALIVE


def job_progress(*, job_id: int, attempt: int, share: float, phase: str) -> None:
    """Show how far the attempt has come.

    Args:
        share: the part that is done, 0 to 1; values outside are cut.
        phase: what it does now, in a few words.

    Raises:
        LeaseLostError: the attempt no longer holds the job.
        JobCancelledError: somebody asked to cancel.
    """
    held = Job.objects.held_by(job_id, attempt)
    if not held.update(progress=min(max(share, 0.0), 1.0), phase=phase[:200]):
        raise LeaseLostError(_lost(job_id, attempt))
    if held.filter(cancel_requested_at__isnull=False).exists():
        raise JobCancelledError(f"Job {job_id} was cancelled.")


@transaction.atomic
def job_log(*, job_id: int, attempt: int, text: str) -> None:
    """Append ``text`` to the job's log, one numbered line for each of its lines.

    Raises:
        LeaseLostError: the attempt no longer holds the job.
    """
    log_append(_locked(job_id, attempt), text)


def log_append(job: Job, text: str) -> None:
    """Append to the log of a job whose row the caller has locked; the lock is what keeps the numbers without gaps."""
    last: int = job.log.aggregate(last=Max("number"))["last"] or 0
    lines = storable(text).splitlines()
    LogLine.objects.bulk_create(
        LogLine(job=job, number=last + i, attempt=job.attempt, at=Now(), text=line[:LONGEST_LINE])
        for i, line in enumerate(lines, 1)
    )


def job_hold(*, job_id: int, attempt: int) -> Job:
    """Lock the job for the rest of the caller's transaction, so that effects and success commit together.

    Raises:
        LeaseLostError: the attempt no longer holds the job.
        JobCancelledError: somebody asked to cancel.
    """
    job = _locked(job_id, attempt)
    if job.cancel_requested_at:
        raise JobCancelledError(f"Job {job_id} was cancelled.")
    return job


@transaction.atomic
def job_finish(*, job_id: int, attempt: int, result: dict[str, Any]) -> None:
    """Mark the job succeeded with ``result``.

    Raises:
        LeaseLostError: the attempt no longer holds the job.
        JobCancelledError: somebody asked to cancel.
    """
    job = job_hold(job_id=job_id, attempt=attempt)
    _end_attempt(job, Outcome.SUCCEEDED)
    _move(job, Event.FINISH, result=result, progress=1.0, phase="")


@transaction.atomic
def job_fail(*, job_id: int, attempt: int, error: str, outcome: Outcome = Outcome.FAILED) -> State:
    """End an attempt that did not succeed; the job waits and is tried again while it has attempts left.

    Args:
        error: what went wrong, shown to people; the end of the traceback is enough.

    Returns: where the job stands now.

    Raises:
        LeaseLostError: the attempt no longer holds the job.
    """
    wait_s = backoff_s(attempt, first_s=settings.JOB_RETRY_SECONDS)
    return _give_back(_locked(job_id, attempt), outcome, storable(error), wait_s=wait_s)


@transaction.atomic
def job_return(*, job_id: int, attempt: int) -> State:
    """Give the job back because the worker stops; the attempt does not count against the bound.

    Raises:
        LeaseLostError: the attempt no longer holds the job.
    """
    job = _locked(job_id, attempt)
    job.max_attempts += 1
    job.save(update_fields=["max_attempts"])
    return _give_back(job, Outcome.RETURNED, "The worker was stopped.", wait_s=0)


def attempt_measure(*, job_id: int, attempt: int, peak_memory_mb: int) -> None:
    """Keep the most memory that the attempt's processes held at once."""
    Attempt.objects.filter(job_id=job_id, number=attempt).update(peak_memory_mb=peak_memory_mb)


@transaction.atomic
def jobs_reap() -> list[int]:
    """Take the jobs whose lease has expired from their holders and return their ids; safe to run twice."""
    expired = Job.objects.filter(state=State.RUNNING, lease_expires_at__lt=Now())
    jobs = list(expired.select_for_update(skip_locked=True, no_key=True).order_by("lease_expires_at")[:REAPED_AT_ONCE])
    for job in jobs:
        _give_back(job, Outcome.LOST, f"Worker {job.worker} stopped renewing its lease.", wait_s=0)
    return [job.pk for job in jobs]


def storable(text: str) -> str:
    """Return ``text`` without the one character that PostgreSQL cannot hold."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _lost(job_id: int, attempt: int) -> str:
    return f"Attempt {attempt} no longer holds job {job_id}."


def _locked(job_id: int, attempt: int) -> Job:
    job = Job.objects.held_by(job_id, attempt).select_for_update(no_key=True).first()
    if job is None:
        raise LeaseLostError(_lost(job_id, attempt))
    return job


def _give_back(job: Job, outcome: Outcome, error: str, *, wait_s: float) -> State:
    event = event_after(
        cancel_requested=job.cancel_requested_at is not None, attempt=job.attempt, max_attempts=job.max_attempts
    )
    if event is Event.CANCEL:
        outcome, error = Outcome.CANCELLED, ""
    again = event is Event.TRY_AGAIN
    follows = {Event.TRY_AGAIN: "; queued again", Event.GIVE_UP: "; no attempt is left"}.get(event, "")
    log_append(job, f"Attempt {job.attempt} of {job.max_attempts}: {outcome}{follows}.")
    _end_attempt(job, outcome, error)
    run_after = Now() + timedelta(seconds=wait_s) if again and wait_s else None
    return _move(job, event, error=error, run_after=run_after)


def _end_attempt(job: Job, outcome: Outcome, error: str = "") -> None:
    job.attempts.filter(number=job.attempt).update(ended_at=Now(), outcome=outcome, error=error)


def _move(job: Job, event: Event, **changes: Any) -> State:
    state = JOB.after(job.state, event)
    finished_at = Now() if state.is_final else None
    Job.objects.filter(pk=job.pk).update(state=state, lease_expires_at=None, finished_at=finished_at, **changes)
    return state
