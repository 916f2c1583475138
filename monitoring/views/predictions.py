"""The page that finds one prediction."""

from datetime import date

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from monitoring.selectors.predictions import Found, find_request
from registry.access import actor_of
from registry.models import RegisteredModel
from registry.views.models import visible_model


@require_GET
def predictions(request: HttpRequest) -> HttpResponse:
    """Find a request by its id: what was asked, answered, by which version and why, and what became of it."""
    actor = actor_of(request)
    given = {
        name: request.GET.get(name, "").replace("\0", "").strip() for name in ("request_id", "model", "day", "row")
    }
    wrong, day = "", None
    try:
        day = date.fromisoformat(given["day"]) if given["day"] else None
    except ValueError:
        wrong = "The day is no day, and was left out. Write it as 2026-11-30."
    models = RegisteredModel.objects.filter(team__in=actor.teams())
    if given["model"]:
        models = models.filter(pk=visible_model(actor, given["model"]).pk)
    found = find_request(models, given["request_id"], day=day) if given["request_id"] else []
    context = {
        "given": given,
        "wrong": wrong,
        "found": [_shown(each, given["row"]) for each in found],
        "snippet": f"curl -si {settings.GATEWAY_URL}/v2/models/NAME/infer --json @body.json | grep -i x-request-id",
    }
    return render(request, "monitoring/predictions.html", context)


def _shown(found: Found, row: str) -> dict[str, object]:
    """Return one row of a request with its answers, and the neighbours of that row."""
    rows = found.rows
    chosen = int(row) if row.isdecimal() and int(row) in rows else rows[0]
    of_row = [answer for answer in found.answers if answer.row == chosen]
    at = rows.index(chosen)
    return {
        "of": found,
        "row": chosen,
        "place": at + 1,
        "count": len(rows),
        "previous": rows[at - 1] if at else None,
        "next": rows[at + 1] if at + 1 < len(rows) else None,
        "answer": of_row[0],
        "others": of_row[1:],
        "outcomes": [outcome for outcome in found.outcomes if outcome.row == chosen],
    }
