"""The audit trail: who, what, when, before and after."""

from datetime import date
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET

from jobs.paging import page_of
from registry.access import actor_of
from registry.models import AuditCheck
from registry.selectors.audit import visible_events

FILTERS = ("actor", "action", "subject", "team", "since", "until")


@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    """List the events of the reader's teams, newest first; the filters are those of the export."""
    actor = actor_of(request)
    chosen = {key: request.GET.get(key, "").strip() for key in FILTERS}
    days, wrong = {}, []
    for key in ("since", "until"):
        days[key] = _day(chosen[key])
        if chosen[key] and days[key] is None:
            wrong.append(key)
    rows = visible_events(
        actor, action=chosen["action"], subject=chosen["subject"], by=chosen["actor"], team=chosen["team"], **days
    )
    context = {
        "page": page_of(request, rows, "-seq"),
        "checked": AuditCheck.objects.first(),
        "chosen": chosen,
        "wrong": wrong,
        "teams": actor.teams().order_by("name"),
        "filtered": any(chosen.values()),
        "export": urlencode({key: value for key, value in chosen.items() if value and key not in wrong}),
    }
    template = "registry/audit.html#events" if request.headers.get("HX-Request") else "registry/audit.html"
    return render(request, template, context)


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:  # such as 2026-02-30
        return None
