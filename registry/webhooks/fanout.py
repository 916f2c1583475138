"""From the audit events of a transaction to messages in the outbox, in that same transaction.

Every change is audited, whichever door it came through, so what is told from here misses none.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from jobs.outbox import message_of, outbox_post
from jobs.tasks import deliver
from registry.models import AuditEvent, Webhook
from registry.webhooks.events import cloud_event, is_told, mlflow_event, wants

KIND = "webhook"

_ANYONE = """
    SELECT FROM registry_webhook w JOIN registry_team t ON t.id = w.team_id
    WHERE t.slug = ANY(%s) AND w.status = %s LIMIT 1"""


def fan_out(events: Sequence[AuditEvent]) -> None:
    """Write a message for each webhook that asked for one of ``events``, and have it sent after the commit."""
    teams = {event.team for event in events if event.team}
    if not teams or not _is_anyone_told(teams):
        return
    webhooks = list(Webhook.objects.active().filter(team__slug__in=teams).select_related("team").order_by("id"))
    messages = []
    for event in events:
        event_id, at = uuid.uuid4(), timezone.now()  # one id, whoever is told and however often
        for webhook in webhooks:
            if webhook.team.slug == event.team and (told := _told(webhook, event, event_id, at)):
                name, body = told
                messages.append(
                    message_of(kind=KIND, destination=str(webhook.pk), event=name, payload=body, message_id=event_id)
                )
    if messages:
        outbox_post(messages)
        transaction.on_commit(deliver.delay)


def _is_anyone_told(teams: Collection[str]) -> bool:
    """Ask in the cheapest way, since every change of an installation without webhooks asks."""
    with connection.cursor() as cursor:
        cursor.execute(_ANYONE, [list(teams), Webhook.Status.ACTIVE])
        return cursor.fetchone() is not None


def _told(webhook: Webhook, event: AuditEvent, event_id: uuid.UUID, at: datetime) -> tuple[str, dict[str, Any]] | None:
    if webhook.flavour == Webhook.Flavour.MLFLOW:
        told = mlflow_event(event, at=at)
        return told if told and wants(webhook, told[0]) else None
    if is_told(event.action) and wants(webhook, event.action):
        return event.action, cloud_event(event, event_id=event_id, at=at)
    return None
