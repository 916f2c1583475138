"""What was put away."""

from django.db.models import F, QuerySet

from registry.access import Actor
from registry.models import ModelVersion, RegisteredModel


def archived_models(actor: Actor) -> QuerySet[RegisteredModel]:
    """Return the archived models and prompts of the actor's teams, each with ``owner_id`` and ``owner`` (its team)."""
    rows = RegisteredModel.objects.filter(team__in=actor.teams(), archived_at__isnull=False)
    return rows.select_related("team", "archived_by").annotate(owner_id=F("team_id"), owner=F("team__name"))


def archived_versions(actor: Actor) -> QuerySet[ModelVersion]:
    """Return the archived versions of the actor's models that are not archived themselves, with the same."""
    rows = ModelVersion.objects.filter(
        model__team__in=actor.teams(), model__archived_at=None, archived_at__isnull=False
    )
    rows = rows.select_related("model__team", "archived_by")
    return rows.annotate(owner_id=F("model__team_id"), owner=F("model__team__name"))
