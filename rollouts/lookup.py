"""Rollouts by their address, among those that the asker may see."""

from django.db.models import QuerySet

from registry.access import Actor
from rollouts.models import Rollout


def rollouts_of(actor: Actor) -> QuerySet[Rollout]:
    """Return the rollouts of the actor's teams, with what pages and API show of each."""
    return Rollout.objects.filter(model__team__in=actor.teams()).select_related(
        "model__team", "champion__model", "candidate__model", "promotion", "made_from", "requested_by", "trial"
    )
