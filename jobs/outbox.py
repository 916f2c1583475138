"""The rows of the outbox: what is to be told outside, claimed by a relay with a lease and a fencing token.

A message is written in the transaction of the change that it tells, so there is none without the change and no change
without it. It is sent at least once: a relay that dies after sending leaves the row to the next one.
"""

import random
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import Now, RowNumber

from jobs.models import OutboxAttempt, OutboxMessage
from jobs.senders import Answer, sender_of
from jobs.states import Delivery, pause_s

LEASE = timedelta(seconds=60)  # longer than any attempt may take
PER_DESTINATION = 4  # at once, so that one slow receiver holds up no other
TRIMMED_AT_ONCE = 5000
LONGEST_ERROR = 500
TEST = "test"  # the event of a message that somebody asked for, to see whether it arrives


def message_of(
    *, kind: str, destination: str, event: str, payload: dict[str, Any], max_attempts: int = 0, **fields: Any
) -> OutboxMessage:
    """Return a new message, not saved yet; it is sent up to ``max_attempts`` times (``OUTBOX_MAX_ATTEMPTS``)."""
    return OutboxMessage(
        kind=kind, destination=destination, event=event, payload=payload, next_attempt_at=Now(), created_at=Now(),
        max_attempts=max_attempts or settings.OUTBOX_MAX_ATTEMPTS, **fields,
    )  # fmt: skip


def outbox_post(messages: Iterable[OutboxMessage]) -> None:
    """Write messages; they are sent once the caller's transaction commits."""
    OutboxMessage.objects.bulk_create(messages)


def outbox_test(*, kind: str, destination: str, payload: dict[str, Any], message_id: UUID) -> OutboxMessage:
    """Write a made-up message that is tried this once, and hold it for the caller to deliver after its commit."""
    message = message_of(
        kind=kind, destination=destination, event=TEST, payload=payload, message_id=message_id, max_attempts=1
    )
    outbox_post([message])
    held = outbox_hold(message)
    assert held is not None  # noqa: S101  nobody else sees the row before the commit
    return held


@transaction.atomic
def outbox_claim(*, at_most: int, busy: Collection[tuple[str, str]] = ()) -> list[OutboxMessage]:
    """Take due messages, a few of each destination, the longest waiting first; no other relay takes the same.

    Args:
        busy: destinations as (kind, destination) that have enough under way.
    """
    turn = Window(RowNumber(), partition_by=["kind", "destination"], order_by=["next_attempt_at", "id"])
    due = OutboxMessage.objects.due()
    for kind, destination in busy:
        due = due.exclude(kind=kind, destination=destination)
    chosen = due.annotate(turn=turn).filter(turn__lte=PER_DESTINATION).order_by("turn", "next_attempt_at")
    ids = list(chosen.values_list("pk", flat=True)[:at_most])
    free = OutboxMessage.objects.due().filter(pk__in=ids).select_for_update(skip_locked=True, no_key=True)
    return [claimed for message in free if (claimed := outbox_hold(message))]


def outbox_hold(message: OutboxMessage) -> OutboxMessage | None:
    """Start an attempt at one message and return it with its new token; None if another attempt holds it."""
    if not OutboxMessage.objects.held_by(message).update(attempt=F("attempt") + 1, next_attempt_at=Now() + LEASE):
        return None
    return OutboxMessage.objects.get(pk=message.pk)


@transaction.atomic
def outbox_settle(message: OutboxMessage, answer: Answer, *, latency_ms: int) -> OutboxMessage | None:
    """Record how an attempt ended: sent, to be tried again after a pause, or dead.

    Returns: the message as it stands now; None where another attempt holds it, or it was deleted, and nothing changed.
    """
    held = OutboxMessage.objects.held_by(message).select_for_update(no_key=True).first()
    if held is None:
        return None
    error = answer.error[:LONGEST_ERROR]
    OutboxAttempt.objects.create(
        message=held, number=held.attempt, at=Now(), latency_ms=latency_ms, status=answer.status, error=error
    )
    ends: dict[str, Any] = {"status": answer.status, "error": error}
    if answer.ok:
        ends |= {"state": Delivery.SENT, "ended_at": Now()}
    elif answer.final or held.attempt >= held.max_attempts:
        ends |= {"state": Delivery.DEAD, "ended_at": Now()}
    else:
        pause = pause_s(
            held.attempt, first_s=settings.OUTBOX_RETRY_SECONDS, jitter=random.random(), asked_s=answer.wait_s  # noqa: S311
        )  # fmt: skip
        ends |= {"next_attempt_at": Now() + timedelta(seconds=pause)}
    OutboxMessage.objects.filter(pk=held.pk).update(**ends)
    held.refresh_from_db()
    sender_of(held.kind).settle(held, answer)
    return held


@transaction.atomic
def outbox_again(message: OutboxMessage) -> OutboxMessage:
    """Let a message that ended be sent again, under the same id and with a full set of attempts."""
    OutboxMessage.objects.filter(pk=message.pk).exclude(state=Delivery.WAITING).update(
        state=Delivery.WAITING, next_attempt_at=Now(), ended_at=None, error="", status=None,
        max_attempts=F("attempt") + settings.OUTBOX_MAX_ATTEMPTS,
    )  # fmt: skip
    message.refresh_from_db()
    return message


def outbox_trim(*, before: datetime) -> int:
    """Delete messages that ended before an instant, so many at once at most; return how many went."""
    old = OutboxMessage.objects.exclude(state=Delivery.WAITING).filter(ended_at__lt=before).order_by("ended_at")
    ids = list(old.values_list("pk", flat=True)[:TRIMMED_AT_ONCE])
    OutboxMessage.objects.filter(pk__in=ids).delete()
    return len(ids)
