"""Who sends which kind of outbox message.

An app declares its senders in a module named ``senders``, which is imported when one is first looked up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from django.apps import apps as installed
from django.utils.module_loading import module_has_submodule

from jobs.models import OutboxMessage


@dataclass(frozen=True)
class Answer:
    """How one attempt to send ended.

    Attributes:
        ok: the receiver took it.
        status: what the receiver answered, such as an HTTP status; None without an answer.
        error: why it failed, for people.
        wait_s: how long the receiver asked to be left alone (s).
        final: trying again makes no sense.
    """

    ok: bool
    status: int | None = None
    error: str = ""
    wait_s: float = 0.0
    final: bool = False


class Sender(Protocol):
    """What an app declares for a kind of message."""

    def prepare(self, message: OutboxMessage) -> Callable[[], Answer]:
        """Read what it takes, and return the call that sends: it runs in a thread, without the database."""

    def settle(self, message: OutboxMessage, answer: Answer) -> None:
        """Draw the consequences of an attempt, in the transaction that records it."""


_senders: dict[str, Sender] = {}


def declare_sender(kind: str, sender: Sender) -> None:
    """Make ``sender`` the one that sends messages of ``kind``."""
    _senders[kind] = sender


def sender_of(kind: str) -> Sender:
    """Return the sender of ``kind``.

    Raises:
        KeyError: no app declares one.
    """
    for app in installed.get_app_configs() if kind not in _senders else ():
        if app.module and module_has_submodule(app.module, "senders") and app.name != "jobs":
            import_module(f"{app.name}.senders")
    return _senders[kind]
