"""Webhooks as people see them, and what was sent to each."""

from django.db.models import QuerySet

from jobs.models import OutboxMessage
from registry.access import Actor
from registry.models import Webhook
from registry.webhooks.fanout import KIND


def webhooks_of(actor: Actor) -> QuerySet[Webhook]:
    """Return the webhooks of the actor's teams."""
    return Webhook.objects.filter(team__in=actor.teams()).select_related("team", "created_by")


def deliveries_of(webhook: Webhook) -> QuerySet[OutboxMessage]:
    """Return what was and will be sent to a webhook."""
    return OutboxMessage.objects.filter(kind=KIND, destination=str(webhook.pk)).order_by("-id")
