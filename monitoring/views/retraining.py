"""Retrainings: all of them, one of them, asking for one, starting and stopping one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from jobs.paging import page_of
from monitoring import services
from monitoring.models import Retraining
from monitoring.selectors.retraining_automation import standings_used
from monitoring.selectors.retraining_lists import overviews, policies_of
from monitoring.tasks import retrain
from monitoring.views.retraining_drawings import (
    STATE_MARKS,
    OverviewRow,
    Row,
    lead,
    log_of,
    outcome,
    overview_row,
    retraining_row,
    way,
)
from registry.access import WRITERS, actor_of
from registry.criteria import metric_label
from registry.models import Role
from registry.views.models import visible_model

HOLDS_BY_WORD = ("person", "cooldown", "quiet", "budget")  # what a person's word replaces


@require_GET
@vary_on_headers("HX-Request")
def retrainings(request: HttpRequest) -> HttpResponse:
    """List the models that are trained anew by themselves, or each time that one was."""
    actor = actor_of(request)
    show, name, state = (request.GET.get(key, "") for key in ("show", "model", "state"))
    each = show == "each"
    rows: list[Row] | list[OverviewRow]
    if each:
        found = Retraining.objects.visible_to(actor)
        found = found.filter(model__name=name) if name else found
        page = page_of(request, found.filter(state=state) if state else found, "-id")
        rows = [retraining_row(one) for one in page.rows]
    else:
        policies = policies_of(actor)
        page = page_of(request, policies.filter(model__name=name) if name else policies, "model__name", "id")
        rows = [overview_row(one) for one in overviews(page.rows)]
    context = {
        "page": page, "rows": rows, "each": each, "name": name, "state": state, "states": STATE_MARKS,
        "open": Retraining.objects.visible_to(actor).open().exists(),
    }  # fmt: skip
    template = "monitoring/retrainings.html"
    return render(request, f"{template}#table" if "HX-Request" in request.headers else template, context)


@require_GET
@vary_on_headers("HX-Request")
def retraining(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one retraining: why it began, on what, and what came of it; the page asks for itself while it goes on."""
    actor = actor_of(request)
    found = get_object_or_404(Retraining.objects.visible_to(actor), pk=pk)
    role = actor.role_in(found.model.team)
    context = {
        "retraining": found,
        "model": found.model,
        "lead": lead(found),
        "way": way(found),
        "outcome": outcome(found),
        "log": log_of(found),
        "standings": standings_used(found),
        "metric": metric_label(found.comparison["metric"]) if found.comparison else "",
        "may_start": role == Role.ENGINEER and found.state == "held" and found.rule in HOLDS_BY_WORD,
        "may_stop": role in WRITERS and found.ended_at is None and found.state != "proposed",
    }
    template = "monitoring/retraining.html"
    return render(request, f"{template}#body" if "HX-Request" in request.headers else template, context)


@require_POST
def retraining_ask(request: HttpRequest, name: str) -> HttpResponse:
    """Have a model trained anew now."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    made = services.retraining_ask(
        actor=actor, model=model, reason=request.POST.get("reason", ""), now=timezone.now()
    )  # fmt: skip
    retrain.delay_on_commit()
    messages.success(request, "It is asked for; its rows are frozen within seconds, where there are enough.")
    return redirect("retraining", pk=made.pk)


@require_POST
def retraining_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start one that is held."""
    actor = actor_of(request)
    found = get_object_or_404(Retraining.objects.visible_to(actor), pk=pk)
    services.retraining_start(
        actor=actor, retraining_id=found.pk, reason=request.POST.get("reason", ""), now=timezone.now()
    )
    messages.success(request, "It starts: its rows are being frozen.")
    return redirect("retraining", pk=pk)


@require_POST
def retraining_stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop one before its promotion is open."""
    actor = actor_of(request)
    found = get_object_or_404(Retraining.objects.visible_to(actor), pk=pk)
    services.retraining_stop(
        actor=actor, retraining_id=found.pk, reason=request.POST.get("reason", ""), now=timezone.now()
    )
    messages.success(request, "It is stopped; what it made until now stays.")
    return redirect("retraining", pk=pk)
