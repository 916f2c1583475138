"""What channels and webhooks have in common: who manages them, and what is sent there again."""

from typing import TypeVar

from jobs.models import OutboxMessage
from jobs.outbox import TEST, outbox_again
from jobs.states import Delivery
from registry.access import Actor
from registry.errors import ConflictError
from registry.models import Channel, Role, Webhook

MANAGERS = (Role.ENGINEER, Role.ADMIN)

Place = TypeVar("Place", Channel, Webhook)


def locked(actor: Actor, place: Place) -> Place:
    """Return the row, locked, for one who manages it."""
    found: Place = (
        type(place).objects.select_for_update(of=("self",), no_key=True).select_related("team").get(pk=place.pk)
    )
    actor.require(found.team, *MANAGERS)
    return found


def sent_again(message: OutboxMessage, *, to: str, enabled: bool) -> OutboxMessage:
    """Return a message that ended, under way once more and under the same id.

    Args:
        to: what it goes to, a channel or a webhook.

    Raises:
        ConflictError: it is still under way, was a test, or what it goes to is disabled.
    """
    if message.state == Delivery.WAITING:
        raise ConflictError("This is still under way; it is tried again by itself.")
    if message.event == TEST:
        raise ConflictError("A test is not repeated; send another one.")
    if not enabled:
        raise ConflictError(f"The {to} is disabled; enable it first.")
    return outbox_again(message)
