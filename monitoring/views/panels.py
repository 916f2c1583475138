"""Panels that a model's page fetches by itself, so that the registry need not know of traffic."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from monitoring import selectors
from monitoring.models import DriftReport, DriftWindow, Slo
from monitoring.selectors.drift_policy import drift_policy_of
from monitoring.services import SLO_OWNERS
from monitoring.views.drawings import arm_row, slo_row
from monitoring.views.drift_drawings import STATES, feature_row
from registry.access import WRITERS, actor_of
from registry.asking import example_command
from registry.models import ReferenceProfile
from registry.views.models import visible_model
from registry.views.versions import visible_version
from serving.contract import CHAMPION

MOST_ROWS = 40  # of a version's inputs; the page of drift has all


@require_GET
def telemetry_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show requests, errors and latencies of the last minutes; the panel fetches itself again."""
    model = visible_model(actor_of(request), name)
    now = timezone.now()
    seen = selectors.traffic(model, now=now)
    champion = model.aliases.select_related("version__model").filter(name=CHAMPION).first()
    context: dict[str, object] = {
        "model": model,
        "seen": seen,
        "arms": [arm_row(arm, champion=champion.version.number if champion else None) for arm in seen.arms],
        "quiet": seen.counted_until is not None and now - seen.counted_until > selectors.FRESH,
    }
    if champion and not seen.counted_until:
        context["snippet"] = example_command(champion.version)
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
    """Show how the inputs of a model's champion stand, and its latest full report."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    standings = selectors.drift_standings([model], now=timezone.now()).get(model.pk, [])
    context = {
        "model": model,
        "windows": [
            (STATES[DriftWindow.State(window.state)], window) for one in standings[:1] for window in one.windows
        ],
        "report": DriftReport.objects.visible_to(actor)
        .defer("features", "slices")
        .filter(version__model=model)
        .first(),
        "may_start": actor.role_in(model.team) in WRITERS,
    }
    return render(request, "monitoring/drift_panel.html", context)


@require_GET
def inputs_panel(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show how a version's latest inputs compare with its reference, as the latest look at a day found."""
    version = visible_version(actor_of(request), name, number)
    get_object_or_404(ReferenceProfile.objects.filter(version=version))
    window = selectors.latest_window(version)
    muted = drift_policy_of(version.model).muted
    rows = [feature_row(one, muted) for one in selectors.findings_of(window)[:MOST_ROWS]] if window else []
    context = {
        "model": version.model, "window": window, "rows": rows, "mark": STATES[DriftWindow.State(window.state)] if window else "",
    }  # fmt: skip
    return render(request, "monitoring/inputs_panel.html", context)
