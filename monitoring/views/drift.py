"""Drift reports: the list, one of them, Evidently's own page, and asking for a new one."""

from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from jobs.paging import page_of
from jobs.tasks import nudge
from monitoring import charts, services
from monitoring.drift import DRIFT_SHARE, METHOD_WORDS, THRESHOLD, FeatureDrift
from monitoring.models import DriftReport
from registry.access import WRITERS, actor_of
from registry.models import RegisteredModel
from registry.views.models import visible_model

WIDTH, HEIGHT = 160, 40
# Generated HTML carries its scripts within. It runs them in an origin of its own, without any of our cookies, and can
# neither load nor send anything.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; frame-ancestors 'self'"
)


@require_GET
def drift(request: HttpRequest) -> HttpResponse:
    """List the drift reports of the reader's teams, newest first."""
    actor = actor_of(request)
    name = request.GET.get("model", "")
    rows = DriftReport.objects.visible_to(actor).defer("features")
    writing = actor.user.memberships.filter(role__in=WRITERS, team__in=actor.teams()).values("team")
    served = RegisteredModel.objects.live().filter(team__in=writing, aliases__name="champion")
    page = page_of(request, rows.filter(version__model__name=name) if name else rows, "-id")
    context = {
        "page": page,
        "name": name,
        "startable": served.order_by("name").values_list("name", flat=True),
    }
    return render(request, "monitoring/drift.html", context)


@require_GET
def drift_report(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one comparison: the verdict in a sentence, then feature by feature, or Evidently's own page in a frame."""
    report = get_object_or_404(DriftReport.objects.visible_to(actor_of(request)), pk=pk)
    features = report.feature_drifts()
    context = {
        "report": report,
        "model": report.version.model,
        "features": [_row(feature) for feature in features],
        "unseen": [feature.name for feature in features if feature.score is None],
        "full": request.GET.get("tab") == "full",
        "threshold": THRESHOLD,
        "drift_share": DRIFT_SHARE,
        "methods": METHOD_WORDS,
    }
    return render(request, "monitoring/drift_report.html", context)


@require_GET
def drift_report_html(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return Evidently's own page, locked up by a policy of its own."""
    report = get_object_or_404(DriftReport.objects.visible_to(actor_of(request)), pk=pk)
    path = Path(settings.REPORT_ROOT) / report.html
    if not path.is_file():
        raise Http404
    return FileResponse(
        path.open("rb"), content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": REPORT_POLICY}
    )


@require_POST
def drift_report_start(request: HttpRequest) -> HttpResponse:
    """Queue a comparison for the model that the form names."""
    actor = actor_of(request)
    model = visible_model(actor, request.POST.get("model", ""))
    job = services.drift_report_start(actor=actor, model=model)
    nudge.delay_on_commit(job.queue)
    messages.success(request, "The comparison is queued; its report appears here and under Drift.")
    return redirect("job", pk=job.pk)


def _row(feature: FeatureDrift) -> dict[str, object]:
    high = max([*feature.reference, *feature.current], default=1.0)
    return {
        "of": feature,
        "reference": charts.steps(feature.reference, width=WIDTH, height=HEIGHT, high=high),
        "current": charts.steps(feature.current, width=WIDTH, height=HEIGHT, high=high),
        "bins": list(zip(feature.labels, feature.reference, feature.current, strict=True)),
        "width": 0 if feature.score is None else min(feature.score / (2 * THRESHOLD), 1) * 100,
    }
