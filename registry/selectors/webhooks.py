"""Webhooks as people see them, and what was sent to each."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from jobs.models import OutboxMessage
from jobs.states import Delivery
from registry.access import Actor
from registry.models import Webhook
from registry.webhooks.fanout import KIND


def webhooks_of(actor: Actor) -> QuerySet[Webhook]:
    """Return the webhooks of the actor's teams."""
    return Webhook.objects.filter(team__in=actor.teams()).select_related("team", "created_by")


def deliveries_of(webhook: Webhook) -> QuerySet[OutboxMessage]:
    """Return what was and will be sent to a webhook."""
    return OutboxMessage.objects.filter(kind=KIND, destination=str(webhook.pk)).order_by("-id")


@dataclass(frozen=True)
class Tally:
    """How deliveries to one webhook went during the last day, and what is still to be sent."""

    sent: int
    dead: int
    waiting: int


def deliveries_tally(webhook: Webhook) -> Tally:
    """Count the deliveries of the last 24 hours that ended, and all that wait."""
    lately = Q(ended_at__gt=Now() - timedelta(hours=24))
    counted = deliveries_of(webhook).aggregate(
        sent=Count("pk", filter=lately & Q(state=Delivery.SENT)),
        dead=Count("pk", filter=lately & Q(state=Delivery.DEAD)),
        waiting=Count("pk", filter=Q(state=Delivery.WAITING)),
    )
    return Tally(**counted)


def webhooks_tally(actor: Actor) -> dict[str, int]:
    """Count the webhooks of the actor's teams: all, those that fail at present, those that are disabled."""
    active = Q(status=Webhook.Status.ACTIVE)
    return webhooks_of(actor).aggregate(
        total=Count("pk"), failing=Count("pk", filter=active & Q(failing_since__isnull=False)),
        disabled=Count("pk", filter=~active),
    )  # fmt: skip
