"""Running a claimed job: the worker's side watches a child process, the child's side calls the handler."""

import logging
import os
import sys
import threading
import time

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from jobs.child import Child
from jobs.kinds import JobContext, kind_named
from jobs.leases import (
    LeaseLostError,
    Pulse,
    attempt_measure,
    job_fail,
    job_heartbeat,
    job_return,
)
from jobs.models import Job
from jobs.states import Outcome

logger = logging.getLogger(__name__)

TICK_S = 0.5


def supervise(job: Job, *, stopping: threading.Event) -> None:
    """Run the attempt that holds ``job`` in a child process and settle how it ended.

    Whatever the child does (raise, hang, eat memory, be killed), this returns and the worker lives on. The bounds were
    copied to the job when it was queued, so a worker imports no handler and stays small.

    Args:
        stopping: set when the worker is told to stop; the job is then given back.
    """
    command = [sys.executable, "manage.py", "job_run", str(job.pk), str(job.attempt), f"--parent={os.getpid()}"]
    with Child(command, cwd=settings.BASE_DIR) as child:
        reason = _watch(child, job, stopping)
        code = child.end()
    try:
        _settle(job, child, reason, code)
    except LeaseLostError:  # the job went on without this attempt, or the child died just after it had finished
        logger.info("%s: attempt %s no longer holds it", job, job.attempt)


def perform(job_id: int, attempt: int) -> None:
    """Call the handler of a job in this process, the child.

    Raises:
        LeaseLostError: the attempt does not hold the job.
    """
    job = Job.objects.held_by(job_id, attempt).select_related("created_by").first()
    if job is None:
        raise LeaseLostError(f"Attempt {attempt} no longer holds job {job_id}.")
    context = JobContext.of(job)
    kind_named(job.kind).handler(context)
    context.ensure_finished()


def _watch(child: Child, job: Job, stopping: threading.Event) -> Outcome | None:
    """Renew the lease until the child ends, or return why it has to."""
    began = renewed = tried = time.monotonic()
    tick_s = min(TICK_S, settings.JOB_HEARTBEAT_SECONDS)
    while not child.ended_within(tick_s):
        now = time.monotonic()
        if stopping.is_set():
            return Outcome.RETURNED
        if now - began > job.timeout_s:
            return Outcome.TIMED_OUT
        if child.memory_mb() > job.memory_mb:
            return Outcome.OUT_OF_MEMORY
        if now - tried >= settings.JOB_HEARTBEAT_SECONDS:
            pulse, tried = _pulse(job), now
            if pulse is Pulse.ALIVE:
                renewed = now
            elif pulse is Pulse.CANCEL:
                return Outcome.CANCELLED
            elif pulse is Pulse.LOST or now - renewed > settings.JOB_LEASE_SECONDS:
                return Outcome.LOST
    return None


def _pulse(job: Job) -> Pulse | None:
    """Send one heartbeat; None while the database does not answer."""
    try:
        return job_heartbeat(job_id=job.pk, attempt=job.attempt)
    except (OperationalError, InterfaceError):
        logger.warning("%s: the database does not answer; trying again", job)
        connection.close()
        return None


def _settle(job: Job, child: Child, reason: Outcome | None, code: int) -> None:
    attempt_measure(job_id=job.pk, attempt=job.attempt, peak_memory_mb=child.peak_memory_mb)
    if reason is None and code == 0:
        return
    if reason is Outcome.RETURNED:
        job_return(job_id=job.pk, attempt=job.attempt)
        return
    match reason:
        case Outcome.TIMED_OUT:
            error = f"It took longer than {job.timeout_s:g} s and was ended.\n{child.output()}".strip()
        case Outcome.OUT_OF_MEMORY:
            error = f"It held {child.peak_memory_mb} MB, more than the {job.memory_mb} MB of its kind, and was ended."
        case Outcome.LOST:
            error = f"No heartbeat could be stored for {settings.JOB_LEASE_SECONDS} s, so it was ended."
        case None if code < 0:
            error = f"The process was killed by signal {-code}.\n{child.output()}".strip()
        case _:
            error = child.output() or f"The process ended with code {code}."
    job_fail(job_id=job.pk, attempt=job.attempt, outcome=reason or Outcome.FAILED, error=error)
