"""Quality from late labels: the page of a model, its panels, and the policy behind it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from monitoring import services
from monitoring.forms.quality import QualityPolicyForm
from monitoring.models.quality import BY_TASK, QualityPolicy, QualityReference
from monitoring.quality.metrics import BY_KIND, METRICS
from monitoring.selectors.quality import quality_metrics
from monitoring.selectors.quality_overview import quality_details, quality_overview
from monitoring.selectors.quality_policy import quality_changes, quality_policy_of
from monitoring.selectors.quality_watch import Watched, quality_watched
from monitoring.views.quality_drawing import drawing
from registry.access import actor_of
from registry.errors import InvalidError
from registry.models import ModelVersion, RegisteredModel, Task
from registry.views.models import visible_model
from registry.views.versions import visible_version

DAYS = (1, 7, 30, 90)
BLIND = "It cannot see concept drift: where the same inputs come to mean another outcome, it stays where it was."


@require_GET
def quality(request: HttpRequest, name: str) -> HttpResponse:
    """Show a metric over time, with what it rests on."""
    model = visible_model(actor_of(request), name)
    context = _lines(request, model) | {"may_change": actor_of(request).role_in(model.team) in services.QUALITY_OWNERS}
    return render(request, "monitoring/quality.html", context)


@require_GET
def quality_details_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show what stands beside the lines: challengers, slices, and how labels come."""
    model = visible_model(actor_of(request), name)
    policy = quality_policy_of(model)
    metric, days = _asked(request, model)
    details = quality_details(policy, metric=metric, days=days, now=timezone.now())
    most = max((count for _, count in details.delays), default=0)
    context = {
        "model": model, "policy": policy, "metric": METRICS[metric], "details": details,
        "total": sum(count for _, count in details.delays),
        "delays": [(seconds, count, 100 * count / most) for seconds, count in details.delays],
    }  # fmt: skip
    return render(request, "monitoring/quality_details.html", context)


@require_GET
def quality_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show in little room how good a model was lately."""
    return render(request, "monitoring/quality_panel.html", _panel(visible_model(actor_of(request), name), None))


@require_GET
def quality_version_panel(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show in little room how good a version was lately."""
    version = visible_version(actor_of(request), name, number)
    return render(request, "monitoring/quality_panel.html", _panel(version.model, version))


@require_http_methods(["GET", "POST"])
def quality_policy(request: HttpRequest, name: str) -> HttpResponse:
    """Show how a model's quality is told, and change it."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    policy = quality_policy_of(model)
    kind = policy.compares
    form = QualityPolicyForm(request.POST or None, policy=policy)
    refused = None
    if request.method == "POST" and form.is_valid():
        try:
            services.quality_policy_change(actor=actor, model=model, now=timezone.now(), **form.changes())
        except InvalidError as error:
            refused = error
            form.add_error(error.field if error.field in form.fields else form.named(error.field), str(error))
        else:
            messages.success(request, "Saved. Hours that have to be counted anew follow within minutes.")
            return redirect("quality_policy", name=model.name)
    context = {
        "model": model, "policy": policy, "form": form, "history": quality_changes(model), "kind": kind,
        "by_task": BY_TASK[Task(model.task)], "may_change": actor.role_in(model.team) in services.QUALITY_OWNERS,
    }  # fmt: skip
    return render(request, "monitoring/quality_policy.html", context, status=422 if refused or form.errors else 200)


def _asked(request: HttpRequest, model: RegisteredModel) -> tuple[str, int]:
    """Return the metric and the days that the address names, or those that say most."""
    names, policy = quality_metrics(model), quality_policy_of(model)
    metric, days = request.GET.get("metric", ""), request.GET.get("days", "")
    usual = policy.metric if policy.metric in names else names[0]
    return metric if metric in names else usual, int(days) if days in map(str, DAYS) else 30


def _lines(request: HttpRequest, model: RegisteredModel) -> dict[str, Any]:
    policy, now = quality_policy_of(model), timezone.now()
    metric, days = _asked(request, model)
    number = request.GET.get("version", "")
    version = get_object_or_404(ModelVersion.objects.filter(model=model), number=number) if number.isdecimal() else None
    found = quality_overview(policy, metric=metric, days=days, now=now, version=version)
    watched = quality_watched(policy, now=now)
    return {
        "model": model, "policy": policy, "found": found, "metric": metric, "of": METRICS[metric], "days": days, "version": version,
        "metrics": [(name, METRICS[name].label) for name in quality_metrics(model)], "periods": DAYS,
        "chart": drawing(found), "steps": [step for step in reversed(found.steps) if step.champion or step.canary],
        "watched": watched, "state": _state(watched), "blind": BLIND, "hourly": found.span.total_seconds() < 86_400,
        "labels_url": reverse("labels", args=[model.name]), "before": _before(found.reference, metric),
        "lately": next((step.estimated for step in reversed(found.steps) if step.estimated), None),
        "versions": sorted({step.number for step in found.steps if step.number}, reverse=True),
    }  # fmt: skip


def _before(reference: QualityReference | None, metric: str) -> float | None:
    """Return what was measured of a version on the rows that it is estimated from."""
    fields: Any = reference.measured.get(metric) if reference else None
    return fields[0] if fields else None


def _state(watched: Watched | None) -> tuple[str, str]:
    if watched is None:
        return "skipped", "Not watched"
    if watched.breached is None:
        return "unsure", "Labels cannot tell"
    return ("fail", "Beyond its limit") if watched.breached else ("pass", "Within its limit")


def _panel(model: RegisteredModel, version: ModelVersion | None) -> dict[str, Any]:
    policy: QualityPolicy = quality_policy_of(model)
    now = timezone.now()
    metric = policy.metric or next(iter(BY_KIND[policy.compares]))
    found = quality_overview(policy, metric=metric, days=7, now=now, version=version)
    last = next((step for step in reversed(found.steps) if step.champion), None)
    watched = None if version else quality_watched(policy, now=now)
    return {
        "model": model, "version": version, "policy": policy, "found": found, "of": METRICS[metric], "last": last,
        "watched": watched, "state": _state(watched),
    }  # fmt: skip
