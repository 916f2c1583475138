"""The audit trail: who, what, when, before and after."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registry.access import actor_of
from registry.models import AuditCheck, AuditEvent
from registry.paging import page_of


@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    """List the events of the reader's teams, newest first."""
    actor = actor_of(request)
    teams = list(actor.teams().values_list("slug", flat=True))
    rows = AuditEvent.objects.filter(team__in=teams) | AuditEvent.objects.filter(actor_id=actor.user.pk)
    chosen = {key: request.GET.get(key, "").strip() for key in ("actor", "action", "subject")}
    if chosen["actor"]:
        rows = rows.filter(actor=chosen["actor"])
    if chosen["action"]:
        rows = rows.filter(action__startswith=chosen["action"])
    if chosen["subject"]:
        rows = rows.filter(subject__startswith=chosen["subject"])
    context = {
        "page": page_of(request, rows, "-seq"),
        "checked": AuditCheck.objects.first(),
        "chosen": chosen,
        "filtered": any(chosen.values()),
    }
    template = "registry/audit.html#events" if request.headers.get("HX-Request") else "registry/audit.html"
    return render(request, template, context)
