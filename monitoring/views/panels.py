"""Panels that a model's page fetches by itself, so that the registry need not know of traffic."""

from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from monitoring import selectors
from monitoring.models import DriftReport, Slo
from monitoring.services import SLO_OWNERS
from monitoring.views.drawings import arm_row, slo_row
from registry.access import WRITERS, actor_of
from registry.views.models import visible_model


@require_GET
def telemetry_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show requests, errors and latencies of the last minutes; the panel fetches itself again."""
    model = visible_model(actor_of(request), name)
    now = timezone.now()
    seen = selectors.traffic(model, now=now)
    context = {
        "model": model,
        "seen": seen,
        "arms": [arm_row(arm) for arm in seen.arms],
        "quiet": seen.counted_until is not None and now - seen.counted_until > selectors.FRESH,
        "snippet": f"curl {settings.GATEWAY_URL}/v2/models/{quote(model.name)}/infer --json @body.json",
    }
    return render(request, "monitoring/telemetry_panel.html", context)


@require_GET
def slo_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show how a model's objectives stand."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    statuses = selectors.slo_statuses(list(Slo.objects.visible_to(actor).filter(model=model)), now=timezone.now())
    context = {
        "model": model,
        "rows": [slo_row(status) for status in statuses],
        "may_set": actor.role_in(model.team) in SLO_OWNERS,
    }
    return render(request, "monitoring/slo_panel.html", context)


@require_GET
def drift_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show the latest drift report of a model, and offer to make one."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    context = {
        "model": model,
        "report": DriftReport.objects.visible_to(actor).defer("features").filter(version__model=model).first(),
        "may_start": actor.role_in(model.team) in WRITERS,
    }
    return render(request, "monitoring/drift_panel.html", context)
