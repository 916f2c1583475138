"""Objectives: the list, one of them, setting and deleting them."""

import json
from decimal import Decimal

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.paging import page_of
from monitoring import selectors, services
from monitoring.forms import SloForm
from monitoring.models import Slo
from monitoring.slo import FAST_BURN, SLOW_BURN, budget_minutes
from monitoring.views.drawings import burn_down, slo_row
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.models import RegisteredModel

FIELDS = {"objective": "percent"}  # where the form names a field otherwise than the service


@require_GET
def slos(request: HttpRequest) -> HttpResponse:
    """List the objectives of the reader's teams and how they stand."""
    actor = actor_of(request)
    name = request.GET.get("model", "")
    rows = Slo.objects.visible_to(actor)
    page = page_of(request, rows.filter(model__name=name) if name else rows, "model__name", "id", size=25)
    context = {
        "page": page,
        "rows": [slo_row(status) for status in selectors.slo_statuses(page.rows, now=timezone.now())],
        "name": name,
        "may_set": _settable(actor).exists(),
        "rates": {"fast": FAST_BURN, "slow": SLOW_BURN},
        "snippet": _snippet(name or "<model>"),
    }
    template = "monitoring/slos.html#rows" if request.headers.get("HX-Request") else "monitoring/slos.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def slo_new(request: HttpRequest) -> HttpResponse:
    """Set an objective."""
    actor = actor_of(request)
    form = SloForm(request.POST or None, models=_settable(actor), initial={"model": request.GET.get("model")})
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            slo = services.slo_create(
                actor=actor, model=asked["model"], kind=asked["kind"], objective=asked["percent"] / Decimal(100),
                window_days=asked["window_days"], threshold_ms=asked["threshold_ms"],
            )  # fmt: skip
        except RefusedError as refused:
            field = getattr(refused, "field", "")
            form.add_error(FIELDS.get(field, field) or None, str(refused))
        else:
            messages.success(request, "The objective is set. It is measured from traffic that was counted already.")
            return redirect("slo", pk=slo.pk)
    status = 422 if form.is_bound else 200
    return render(request, "monitoring/slo_new.html", {"form": form}, status=status)


@require_GET
def slo(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one objective with its error budget over the window."""
    actor = actor_of(request)
    found = get_object_or_404(Slo.objects.visible_to(actor), pk=pk)
    [status] = selectors.slo_statuses([found], now=timezone.now())
    context = {
        **slo_row(status),
        "chart": burn_down(status) if status.total else None,
        "budget_s": 60 * budget_minutes(objective=float(found.objective), window_days=found.window_days),
        "may_set": actor.role_in(found.model.team) in services.SLO_OWNERS,
        "rates": {"fast": FAST_BURN, "slow": SLOW_BURN},
    }
    return render(request, "monitoring/slo.html", context)


@require_POST
def slo_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an objective back."""
    actor = actor_of(request)
    found = get_object_or_404(Slo.objects.visible_to(actor), pk=pk)
    services.slo_delete(actor=actor, slo=found)
    messages.success(request, f"The objective is deleted. What was measured of {found.model.name} stays.")
    return redirect("slos")


def _snippet(model: str) -> str:
    body = json.dumps({"model": model, "kind": "availability", "objective": 0.999})
    return f"curl {settings.WEB_URL}/api/v1/slos -H 'Authorization: Bearer '$TOKEN --json '{body}'"


def _settable(actor: Actor) -> QuerySet[RegisteredModel]:
    """Return the models whose objectives the actor may set."""
    teams = actor.user.memberships.filter(role__in=services.SLO_OWNERS, team__in=actor.teams()).values("team")
    return RegisteredModel.objects.live().filter(team__in=teams)
