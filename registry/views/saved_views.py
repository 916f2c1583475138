"""Saved views: the row above a list, and the page where they are renamed and deleted."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry import selectors, services
from registry.access import WRITERS, Actor, actor_of
from registry.models import ListPage, SavedView, Team
from registry.saved_queries import in_words, normal


@require_http_methods(["GET", "POST"])
def saved_views(request: HttpRequest) -> HttpResponse:
    """List what the reader saved and what the reader's teams share; or save another and return to its list."""
    actor = actor_of(request)
    if request.method == "POST":
        slug = request.POST.get("team", "")
        view = services.saved_view_create(
            actor=actor, page=request.POST.get("page", ""), name=request.POST.get("name", ""),
            query=request.POST.get("query", ""), team=get_object_or_404(actor.teams(), slug=slug) if slug else None,
        )  # fmt: skip
        messages.success(request, f"“{view.name}” is saved {f'for {view.team.name}' if view.team else 'for you'}.")
        return redirect(selectors.address_of(view))
    roles = dict(actor.user.memberships.values_list("team_id", "role"))
    shown = [
        (view, in_words(view.query), view.team is None or roles[view.team.pk] in WRITERS)
        for view in selectors.saved_views_of(actor).order_by("page", "name", "id")
    ]
    return render(request, "registry/saved_views.html", {"shown": shown})


@require_GET
def saved_views_row(request: HttpRequest) -> HttpResponse:
    """Show the views of one list, the one marked whose filters its address holds, and the form that saves another."""
    page = request.GET.get("of", "")
    if page not in ListPage.values:
        raise Http404
    actor = actor_of(request)
    query = normal(urlsplit(request.headers.get("HX-Current-URL", "")).query)
    views = list(selectors.saved_views_of(actor).filter(page=page).order_by("name", "id"))
    context = {
        "page": page,
        "label": ListPage(page).label,
        "query": query,
        "asked": in_words(query),
        "views": [(view, selectors.address_of(view), view.query == query) for view in views],
        "teams": _sharing(actor),
    }
    return render(request, "registry/_saved_views.html", context)


@require_GET
def saved_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a view: its list, with its filters."""
    return redirect(selectors.address_of(_visible(actor_of(request), pk)))


@require_POST
def saved_view_rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a view another name."""
    actor = actor_of(request)
    view = services.saved_view_update(actor=actor, view=_visible(actor, pk), name=request.POST.get("name", ""))
    messages.success(request, f"The view is named “{view.name}” now.")
    return redirect("saved_views")


@require_POST
def saved_view_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a view."""
    actor = actor_of(request)
    view = _visible(actor, pk)
    services.saved_view_delete(actor=actor, view=view)
    messages.success(request, f"“{view.name}” is deleted.")
    return redirect("saved_views")


def _visible(actor: Actor, pk: int) -> SavedView:
    return get_object_or_404(selectors.saved_views_of(actor), pk=pk)


def _sharing(actor: Actor) -> list[Team]:
    """Return the teams that the actor may save views for."""
    return list(actor.teams().filter(memberships__user=actor.user, memberships__role__in=WRITERS).order_by("name"))
