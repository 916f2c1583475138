"""The saved views that a person may open."""

from django.db.models import Q, QuerySet
from django.urls import reverse

from registry.access import Actor
from registry.models import SavedView


def saved_views_of(actor: Actor) -> QuerySet[SavedView]:
    """Return the views of the actor's teams and, in a session, the person's own; those first."""
    seen = Q(team__in=actor.teams())
    if actor.token is None:  # a token stands for one team
        seen |= Q(team=None, owner=actor.user)
    return SavedView.objects.filter(seen).select_related("team", "owner")


def address_of(view: SavedView) -> str:
    """Return the address of the list with the view's filters."""
    return f"{reverse(view.page)}?{view.query}"
