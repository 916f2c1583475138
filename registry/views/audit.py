"""The audit trail: who, what, when, before and after."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.paging import page_of
from registry.access import actor_of
from registry.models import AuditCheck
from registry.selectors.audit import visible_events


@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    """List the events of the reader's teams, newest first."""
    actor = actor_of(request)
    chosen = {key: request.GET.get(key, "").strip() for key in ("actor", "action", "subject")}
    rows = visible_events(actor, action=chosen["action"], subject=chosen["subject"], by=chosen["actor"])
    context = {
        "page": page_of(request, rows, "-seq"),
        "checked": AuditCheck.objects.first(),
        "chosen": chosen,
        "filtered": any(chosen.values()),
    }
    template = "registry/audit.html#events" if request.headers.get("HX-Request") else "registry/audit.html"
    return render(request, template, context)
