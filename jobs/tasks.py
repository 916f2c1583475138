"""What the broker carries: nudges. A lost or doubled one costs a few seconds at most, since the job table is the queue."""

import logging
import os
import socket
import threading
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from jobs.clock import Task
from jobs.delivery import deliver_due
from jobs.execution import supervise
from jobs.hearing import listen
from jobs.leases import job_claim, jobs_reap
from jobs.models import Job
from jobs.outbox import outbox_trim

logger = logging.getLogger(__name__)

MOST_NUDGES = 16
NUDGE_EXPIRES_S = 30
_stopping = threading.Event()
_seats: dict[str, threading.BoundedSemaphore] = {}
_seats_lock = threading.Lock()


worker_ready.connect(listen)


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    """Have the running jobs given back, so that stopping a worker does not wait for an hour of training."""
    _stopping.set()


class Hint(Task):
    """A task whose loss is no error, since a schedule sends it anyway."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send it, or leave it to the schedule where the broker cannot be reached."""
        options |= {"expires": NUDGE_EXPIRES_S, "retry_policy": {"max_retries": 1, "interval_start": 0}}
        try:
            return super().apply_async(args, kwargs, **options)
        except BrokerError as error:
            logger.warning("The broker does not answer (%s); the schedule will send %s.", error, self.name)
            return None


class Nudge(Hint):
    """A hint that goes to the queue named by its argument."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send it to that queue."""
        return super().apply_async(args, kwargs, **options | {"queue": args[0] if args else kwargs["queue"]})


@shared_task(base=Nudge)
def work(queue: str) -> None:
    """Run the waiting jobs of ``queue`` one after the other, if this worker process has a seat free for it.

    Without a free seat nothing is lost: whoever sits there looks for more work before leaving.
    """
    seat = _seat(queue)
    if not seat.acquire(blocking=False):
        return
    try:
        while not _stopping.is_set() and (
            job := job_claim(queue=queue, worker=f"{socket.gethostname()}:{os.getpid()}")
        ):
            supervise(job, stopping=_stopping)
    finally:
        seat.release()


@shared_task
def relay() -> None:
    """Nudge every queue once for each job that waits there, so that a wiped broker loses nothing."""
    waiting = Job.objects.waiting().order_by().values_list("queue").annotate(count=Count("pk"))
    for queue, count in waiting:
        for _ in range(min(count, MOST_NUDGES)):
            work.delay(queue)


@shared_task
def reap() -> None:
    """Take jobs from workers that are gone; the relay then nudges for them."""
    if taken := jobs_reap():
        logger.warning("Leases expired of jobs %s.", taken)


@shared_task(base=Hint)
def deliver() -> None:
    """Send what waits in the outbox, if no other thread of this process is at it."""
    seat = _seat("outbox")
    if not seat.acquire(blocking=False):
        return
    try:
        deliver_due()
    finally:
        seat.release()


@shared_task
def trim_outbox() -> None:
    """Forget the messages that ended longer ago than they are kept."""
    outbox_trim(before=timezone.now() - timedelta(days=settings.OUTBOX_KEEP_DAYS))


def _seat(queue: str) -> threading.BoundedSemaphore:
    with _seats_lock:
        if queue not in _seats:
            _seats[queue] = threading.BoundedSemaphore(settings.JOB_SEATS.get(queue, 1))
        return _seats[queue]
