"""What follows a change at once, although a schedule would see to it within seconds.

Higher apps act on what lower ones record; a lower one cannot call them, so the settings name who follows what. A thread sends
the nudges: no change waits for the broker, and what many changes ask for at once is sent once. One that is lost costs a second.
"""

import threading
from collections.abc import Iterable
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from registry.models import AuditEvent


def follow_up(events: Iterable[AuditEvent]) -> None:
    """Have each task sent that follows one of ``events``, once this transaction is committed."""
    follow(*(event.action for event in events))


def follow(*actions: str) -> None:
    """Have each task sent that follows one of these, audited or not, once this transaction is committed."""
    for task, followed in settings.FOLLOW_UPS.items():
        if not set(actions).isdisjoint(followed):
            transaction.on_commit(partial(_sender.send, task))


class Sender:
    """Sends tasks by name, each once however often it is asked for before its turn."""

    def __init__(self) -> None:
        self._due: set[str] = set()
        self._asked = threading.Condition()
        self._thread: threading.Thread | None = None

    def send(self, task: str) -> None:
        """Ask for ``task``; returns at once."""
        with self._asked:
            self._due.add(task)
            if self._thread is None or not self._thread.is_alive():  # none yet, or left behind by a fork
                self._thread = threading.Thread(target=self._run, name="follow-ups", daemon=True)
                self._thread.start()
            self._asked.notify()

    def _run(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._due)
                task = self._due.pop()
            import_string(task).delay()


_sender = Sender()
