"""Channels as people see them, and what was sent to each."""

from django.db.models import QuerySet

from jobs.models import OutboxMessage
from registry.access import Actor
from registry.models import Channel

KIND = "alert"  # of the outbox's messages


def channels_of(actor: Actor) -> QuerySet[Channel]:
    """Return the channels of the actor's teams."""
    return Channel.objects.filter(team__in=actor.teams()).select_related("team", "created_by")


def messages_of(channel: Channel) -> QuerySet[OutboxMessage]:
    """Return what was and will be sent to a channel."""
    return OutboxMessage.objects.filter(kind=KIND, destination=str(channel.pk)).order_by("-id")
