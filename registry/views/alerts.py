"""Alerts about models: open ones first, and taking one on."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from jobs.paging import page_of
from registry import services
from registry.access import WRITERS, actor_of
from registry.models import Alert


@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """List the alerts of the reader's teams; open ones unless all are asked for."""
    actor = actor_of(request)
    state, words = request.GET.get("state", "open"), request.GET.get("q", "").strip()
    rows = Alert.objects.filter(model__team__in=actor.teams()).select_related("model__team", "acknowledged_by")
    if state == "open":
        rows = rows.filter(cleared_at__isnull=True)
    elif state == "over":
        rows = rows.filter(cleared_at__isnull=False)
    if words:
        rows = rows.filter(model__name__icontains=words)
    context = {
        "page": page_of(request, rows, "-id"),
        "state": state,
        "q": words,
        "may_take": set(
            actor.user.memberships.filter(team__in=actor.teams(), role__in=WRITERS).values_list("team", flat=True)
        ),
    }
    return render(request, "registry/alerts.html", context)


@require_POST
def alert_acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an alert on."""
    actor = actor_of(request)
    found = get_object_or_404(Alert.objects.filter(model__team__in=actor.teams()), pk=pk)
    services.alert_acknowledge(actor=actor, alert_id=found.pk, note=request.POST.get("note", ""))
    messages.success(request, "You took the alert on; it stays open until its cause is gone.")
    return redirect("alerts")
