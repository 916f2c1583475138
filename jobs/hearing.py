"""Whether this worker still hears its broker, and its end where it does not.

A connection can die so that neither side notices; a consumer can be cancelled by a broker that fails over. Such a worker sits
and waits while messages pile up, and answers every ping. So each worker process looks for itself: messages lie in one of its
queues, it has a thread free, and for `WORKER_DEAF_SECONDS` it took none from there. Then it stops as if it were told to (its jobs
go to others at once), and whoever keeps it running, the demo's supervisor, systemd or Kubernetes, starts a new one.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from celery.signals import task_postrun, task_prerun, task_received
from django.conf import settings
from kombu.exceptions import ChannelError
from kombu.exceptions import OperationalError as BrokerError

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
GRACE_S = 20.0  # for the stop that was asked for; jobs are given back within it


class Hearing:
    """When a worker last took a message from each of its queues, and how many of its threads are busy.

    Args:
        queues: that it is to hear.
        threads: how many tasks it runs at once.
        now: a clock that only goes forward (s).
    """

    def __init__(self, queues: Iterable[str], *, threads: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._threads, self._busy = now, threads, 0
        self._heard = dict.fromkeys(queues, now())
        self._lock = threading.Lock()

    @property
    def queues(self) -> list[str]:
        """What it is to hear."""
        return list(self._heard)

    def heard(self, queue: str) -> None:
        """Note that a message came from ``queue``."""
        self._heard[queue] = self._now()

    def began(self) -> None:
        """Note that a thread is taken."""
        with self._lock:
            self._busy += 1

    def ended(self) -> None:
        """Note that a thread is free again."""
        with self._lock:
            self._busy -= 1

    def deaf_to(self, waiting: dict[str, int], *, after_s: float) -> str | None:
        """Return a queue whose messages this worker ought to take and does not, if there is one.

        Args:
            waiting: how many messages lie in each queue.
            after_s: so long it may be silent (s).
        """
        now = self._now()
        if self._busy >= self._threads:  # it hears no more than it can do
            self._heard = dict.fromkeys(self._heard, now)
        for queue, at in self._heard.items():
            if not waiting.get(queue):
                self._heard[queue] = now  # silence where nothing is said
            elif now - at >= after_s:
                return queue
        return None


def listen(sender: Any, **_: Any) -> None:
    """Watch the hearing of the worker that has just become ready; a receiver of Celery's ``worker_ready``."""
    if settings.WORKER_DEAF_SECONDS <= 0:
        return
    hearing = Hearing([queue.name for queue in sender.task_consumer.queues], threads=sender.pool.limit)
    task_received.connect(lambda request, **_: hearing.heard(request.delivery_info["routing_key"]), weak=False)
    task_prerun.connect(lambda **_: hearing.began(), weak=False)
    task_postrun.connect(lambda **_: hearing.ended(), weak=False)
    threading.Thread(target=_watch, args=(hearing, sender.app), name="hearing", daemon=True).start()


def _watch(hearing: Hearing, app: Any) -> None:
    while True:
        time.sleep(min(LOOK_EVERY_S, settings.WORKER_DEAF_SECONDS / 4))
        try:
            with app.connection_for_read() as connection:
                waiting = _waiting(connection, hearing.queues)
        except (BrokerError, OSError):  # Celery itself tries to reach it again
            continue
        if queue := hearing.deaf_to(waiting, after_s=settings.WORKER_DEAF_SECONDS):
            logger.error(
                "%s messages wait in %s and this worker took none for %g s, with a thread free: it ends, to be started anew.",
                waiting[queue], queue, settings.WORKER_DEAF_SECONDS,
            )  # fmt: skip
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(GRACE_S)
            os._exit(1)


def _waiting(connection: Any, queues: Iterable[str]) -> dict[str, int]:
    """Return how many messages lie in each of ``queues``; an empty one does not exist for Redis."""
    found = {}
    for queue in queues:
        with connection.channel() as channel, suppress(ChannelError):
            found[queue] = channel.queue_declare(queue, passive=True).message_count
    return found
