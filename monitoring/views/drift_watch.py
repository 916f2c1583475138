"""How a model's inputs stand, window by window, and how they are watched."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from monitoring import services
from monitoring.drift.words import BREAK_WORDS, METHOD_WORDS
from monitoring.drifting import Finding, Share
from monitoring.forms.drift import DriftPolicyForm
from monitoring.models import DAY_S, DriftReport, DriftWindow
from monitoring.selectors.drift import drift_series, drift_standings, findings_of
from monitoring.selectors.drift_policy import drift_policy_history, drift_policy_of
from monitoring.selectors.log import input_columns
from monitoring.selectors.quality import quality_metrics, quality_series
from monitoring.views.drift_drawings import STATES, feature_row, multiples, quality_line, timeline
from registry.access import WRITERS, actor_of
from registry.criteria import METRIC_LABELS
from registry.errors import InvalidError
from registry.models import RegisteredModel
from registry.views.models import visible_model

PERIODS = {"7": timedelta(days=7), "30": timedelta(days=30), "90": timedelta(days=90)}
FEW = 40  # features in the table, unless all are asked for
SLOTS_LISTED = 200


@require_GET
def model_drift(request: HttpRequest, name: str) -> HttpResponse:
    """Show what the looks at a model's inputs found: the verdict, the likeliest causes, what broke, all features, and the time before."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    now = timezone.now()
    standings = drift_standings([model], now=now).get(model.pk, [])
    window = _chosen(request, model, [one.worst.pk for one in standings])
    policy = drift_policy_of(model)
    context: dict[str, Any] = {
        "model": model, "standings": standings, "window": window, "policy": policy,
        "report": DriftReport.objects.visible_to(actor).defer("features", "slices").filter(version__model=model).first(),
        "may_start": actor.role_in(model.team) in WRITERS, "may_change": actor.role_in(model.team) in services.DRIFT_KEEPERS,
        "states": STATES,
    }  # fmt: skip
    if window:
        context |= _found(request, window, policy.muted) | _time(request, window, now)
    return render(request, "monitoring/drift_model.html", context)


def _chosen(request: HttpRequest, model: RegisteredModel, latest: list[int]) -> DriftWindow | None:
    windows = DriftWindow.objects.filter(version__model=model).select_related(
        "version__model__team", "version__reference"
    )
    asked = request.GET.get("window", "")
    if asked:
        return get_object_or_404(windows, pk=int(asked) if asked.isdecimal() else 0)
    return windows.filter(pk__in=latest[:1]).first() or windows.order_by("-judged_at", "span").first()


def _found(request: HttpRequest, window: DriftWindow, muted: list[str]) -> dict[str, Any]:
    findings = findings_of(window)
    rows = [feature_row(one, muted) for one in findings]
    drawn = multiples(window.drawings)
    everything = request.GET.get("features") == "all" or len(rows) <= FEW
    return {
        "rows": rows if everything else rows[: max(FEW, sum(row["telling"] for row in rows))],
        "total": len(rows),
        "everything": everything,
        "weighed": any(one.importance is not None for one in findings),
        "causes": [row | {"drawn": drawn[row["of"].name]} for row in rows if row["of"].name in drawn],
        "moved": sum(row["telling"] for row in rows),
        "broken": [
            {"of": one, "kind": kind, "words": BREAK_WORDS[kind], "share": _share(one, kind)}
            for one in findings for kind in one.breaks
        ],
        "methods": METHOD_WORDS,
    }  # fmt: skip


def _share(one: Finding, kind: str) -> Share:
    return {"missing": one.missing, "new categories": one.unseen, "range": one.out_of_range, "type": one.broken}[kind]


def _time(request: HttpRequest, window: DriftWindow, now: datetime) -> dict[str, Any]:
    """Return how the same arm went over time: each look of the last week, or the days of longer."""
    days = request.GET.get("days", "")
    days = days if days in PERIODS else "7"
    since = now - PERIODS[days]
    span = DAY_S if days != "7" else window.span
    versions = list(window.version.model.versions.values_list("pk", flat=True))
    series = drift_series(versions, arm=window.arm, span=span, since=since)
    quality = _quality(window, since, now, timedelta(seconds=span)) if len(series) > 1 else None
    return {
        "days": days, "quality": quality, "periods": list(PERIODS), "by_day": span == DAY_S,
        "chart": timeline(series, since, now) if len(series) > 1 else None,
        "series": [(STATES[DriftWindow.State(one.state)], one) for one in reversed(series)][:SLOTS_LISTED],
    }  # fmt: skip


def _quality(window: DriftWindow, since: datetime, now: datetime, span: timedelta) -> dict[str, Any] | None:
    """Return how well the model did over the same time, as late labels tell it; None where they tell nothing."""
    model = window.version.model
    metrics = quality_metrics(model)
    if not metrics:
        return None
    points = quality_series(model, metric=metrics[0], since=since, until=now, span=span, arm=window.arm, now=now)
    told = [point for point in points if point.value is not None]
    return quality_line(METRIC_LABELS.get(metrics[0], metrics[0]), told, since, now) if told else None


@require_http_methods(["GET", "POST"])
def drift_policy(request: HttpRequest, name: str) -> HttpResponse:
    """Show how a model's inputs are watched, how that came to be, and change it."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    policy = drift_policy_of(model)
    inputs = input_columns(model)
    form = DriftPolicyForm(request.POST or None, policy=policy, inputs=inputs)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.drift_policy_change(actor=actor, model=model, **form.cleaned_data)
        except InvalidError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            messages.success(request, f"Policy {made.number} is in force from the next look on.")
            return redirect("drift_policy", name=model.name)
    may_change = actor.role_in(model.team) in services.DRIFT_KEEPERS
    if not may_change:
        for field in form.fields.values():
            field.disabled = True
    context = {
        "model": model, "policy": policy, "form": form, "may_change": may_change, "history": drift_policy_history(model),
    }  # fmt: skip
    return render(request, "monitoring/drift_policy.html", context, status=422 if form.errors else 200)
