"""Panels that a model's page fetches by itself, so that the registry need not know of traffic."""

from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from monitoring import selectors
from monitoring.models import DriftReport, Slo
from monitoring.services import SLO_OWNERS
from monitoring.stability import MIN_ROWS, MOVED, SHIFTED
from monitoring.views.drawings import arm_row, slo_row
from registry.access import WRITERS, actor_of
from registry.models import ReferenceProfile
from registry.views.models import visible_model
from registry.views.versions import visible_version


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


@require_GET
def inputs_panel(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show how a version's latest inputs compare with its reference, in the reference's bins."""
    version = visible_version(actor_of(request), name, number)
    reference = get_object_or_404(ReferenceProfile.objects.filter(version=version))
    inputs = selectors.latest_inputs(reference, now=timezone.now())
    context = {
        "model": version.model,
        "inputs": inputs,
        "enough": inputs.rows >= MIN_ROWS,
        "worst": inputs.features[0].state if inputs.features else "",
        "least": MIN_ROWS,
        "moved": MOVED,
        "shifted": SHIFTED,
    }
    return render(request, "monitoring/inputs_panel.html", context)
