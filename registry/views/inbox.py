"""The inbox: what waits for the reader, and the list of promotions."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.paging import page_of
from registry import selectors
from registry.access import actor_of
from registry.models import Promotion

SHOWN = 50  # of each list; the oldest come first, and the filters reach the others


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits for the reader, oldest first, then what the reader has in flight, and what was decided."""
    actor = actor_of(request)
    words, tier = request.GET.get("q", "").strip().lower(), request.GET.get("tier", "")
    asked = selectors.waiting(actor)
    waiting, flying = (
        [
            item
            for item in items
            if words in f"{item.title} {item.why}".lower() and tier in ("", str(item.model and item.model.risk_tier))
        ]
        for items in (asked, selectors.in_flight(actor))
    )
    context = {
        "waiting": waiting[:SHOWN],
        "waiting_matching": len(waiting),
        "waiting_count": len(asked),  # of the frame, which would ask again
        "flying": flying[:SHOWN],
        "flying_matching": len(flying),
        "decided": selectors.last_decisions(actor),
        "q": words,
        "tier": tier,
    }
    template = "registry/inbox.html#lists" if request.headers.get("HX-Request") else "registry/inbox.html"
    return render(request, template, context)


@require_GET
def inbox_count(request: HttpRequest) -> HttpResponse:
    """Say how much waits for the reader: the mark beside *Inbox*, which each page asks for once it is shown."""
    return render(request, "partials/inbox_count.html", {"count": len(selectors.waiting(actor_of(request)))})


@require_GET
def promotions(request: HttpRequest) -> HttpResponse:
    """List promotions of the reader's teams, newest first."""
    rows = Promotion.objects.filter(model__team__in=actor_of(request).teams()).select_related(
        "model__team", "version", "replaces", "requested_by"
    )
    state, words = request.GET.get("state", "open"), request.GET.get("q", "").strip()
    if state == "open":
        rows = rows.filter(state__in=["requested", "approved", "rolling_out"])
    elif state == "decided":
        rows = rows.exclude(state__in=["requested", "approved", "rolling_out"])
    if words:
        rows = rows.filter(model__name__icontains=words)
    return render(
        request, "registry/promotions.html", {"page": page_of(request, rows, "-id"), "state": state, "q": words}
    )
