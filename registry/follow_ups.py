"""What follows a change at once, although a schedule would see to it within seconds.

Higher apps act on what lower ones record; a lower one cannot call them, so the settings name who follows what.
"""

from collections.abc import Iterable

from django.conf import settings

from jobs.nudges import send_on_commit
from registry.models import AuditEvent


def follow_up(events: Iterable[AuditEvent]) -> None:
    """Have each task sent that follows one of ``events``, once this transaction is committed."""
    follow(*(event.action for event in events))


def follow(*actions: str) -> None:
    """Have each task sent that follows one of these, audited or not, once this transaction is committed."""
    for task, followed in settings.FOLLOW_UPS.items():
        if not set(actions).isdisjoint(followed):
            send_on_commit(task)
