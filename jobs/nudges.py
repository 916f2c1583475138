"""Telling workers at once of what a schedule would tell them of within seconds.

A thread sends what was asked for: no change and no page waits for the broker. One that is lost costs the seconds until the schedule's turn.
"""

import threading
from functools import partial

from django.db import transaction
from django.utils.module_loading import import_string

Message = tuple[str, tuple[str, ...]]  # a task by name, and what it is given


def send_on_commit(task: str, *given: str) -> None:
    """Have a task sent once this transaction is committed."""
    transaction.on_commit(partial(_sender.send, task, *given))


class Sender:
    """Sends tasks by name; one that is given nothing is sent once, however often it is asked for before its turn."""

    def __init__(self) -> None:
        self._due: list[Message] = []
        self._asked = threading.Condition()
        self._thread: threading.Thread | None = None

    def send(self, task: str, *given: str) -> None:
        """Ask for ``task``; returns at once."""
        with self._asked:
            if given or (task, given) not in self._due:
                self._due.append((task, given))
            if self._thread is None or not self._thread.is_alive():  # none yet, or left behind by a fork
                self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)
                self._thread.start()
            self._asked.notify()

    def _run(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._due)
                task, given = self._due.pop(0)
            import_string(task).delay(*given)


_sender = Sender()
