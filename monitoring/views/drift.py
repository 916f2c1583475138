"""Drift: the models and how they stand, full reports, Evidently's own page, and asking for a report."""

from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.db.models import Case, IntegerField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Least
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs.paging import page_of
from monitoring import services
from monitoring.drift.words import BREAK_WORDS, FIRST_LIMIT, FIRST_SHARE, METHOD_WORDS, FeatureDrift
from monitoring.models import DAY_S, DriftReport, DriftWindow
from monitoring.selectors.drift import FRESH, Standing, drift_standings
from monitoring.views.drift_drawings import STATES, histogram
from registry.access import WRITERS, Actor, actor_of
from registry.models import RegisteredModel
from registry.views.models import visible_model
from serving.contract import CHAMPION

# Generated HTML carries its scripts within. It runs them in an origin of its own, without any of our cookies, and can
# neither load nor send anything.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; frame-ancestors 'self'"
)
State = DriftWindow.State
RANKS = {0: State.DRIFTED, 1: State.BROKEN, 2: State.STEADY, 3: State.THIN}
UNSEEN = 4  # no look lately


@require_GET
def drift(request: HttpRequest) -> HttpResponse:
    """List the models that answer and how their inputs stand, drift first; or the full reports, newest first."""
    actor = actor_of(request)
    name, state = request.GET.get("model", ""), request.GET.get("state", "")
    writing = actor.user.memberships.filter(role__in=WRITERS, team__in=actor.teams()).values("team")
    served = RegisteredModel.objects.live().filter(team__in=writing, aliases__name=CHAMPION)
    context = {
        "reports": request.GET.get("tab") == "reports", "name": name, "state": state, "states": State.choices,
        "startable": served.exists(),
    }  # fmt: skip
    if context["reports"]:
        rows = DriftReport.objects.visible_to(actor).defer("features", "slices")
        rows = rows.filter(version__model__name__icontains=name) if name else rows
        context["page"] = page_of(request, rows, "-id")
    else:
        page = page_of(request, _ranked(actor, name, state), "rank", "name", "id")
        standings = drift_standings(page.rows, now=timezone.now())
        context |= {
            "page": page,
            "rows": [(model, standing, _mark(standing)) for model in page.rows for standing in [_of(standings, model)]],
        }
    return render(request, "monitoring/drift.html", context)


def _ranked(actor: Actor, name: str, state: str) -> QuerySet[RegisteredModel]:
    """Return the models with a champion, each with the rank of what its latest looks found."""
    rank = Case(*(When(state=found, then=Value(rank)) for rank, found in RANKS.items()), output_field=IntegerField())
    looks = DriftWindow.objects.filter(
        version=OuterRef("aliases__version"), arm=CHAMPION, judged_at__gte=timezone.now() - FRESH[True]
    )  # fmt: skip
    ranks = looks.order_by("-judged_at", "span").annotate(rank=rank).values("rank")
    rows = RegisteredModel.objects.live().filter(aliases__name=CHAMPION, team__in=actor.teams()).select_related("team")
    latest, by_day = Subquery(ranks[:1]), Subquery(ranks.filter(span=DAY_S)[:1])
    ranked = rows.annotate(rank=Least(latest, by_day, Value(UNSEEN)))
    if name:
        ranked = ranked.filter(name__icontains=name)
    wanted = [rank for rank, found in RANKS.items() if found == state]
    return ranked.filter(rank=wanted[0]) if wanted else ranked


def _of(standings: dict[int, list[Standing]], model: RegisteredModel) -> Standing | None:
    return next(iter(standings.get(model.pk, [])), None)


def _mark(standing: Standing | None) -> tuple[str, str]:
    if standing is None:
        return "skipped", "Not looked at"
    state = State(standing.worst.state)
    return STATES[state], state.label


@require_GET
def drift_report(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one full report: the verdict in a sentence, then feature by feature and slice by slice, or Evidently's own page in a frame."""
    report = get_object_or_404(DriftReport.objects.visible_to(actor_of(request)), pk=pk)
    features = report.feature_drifts()
    context = {
        "report": report,
        "model": report.version.model,
        "features": [_row(feature) for feature in features],
        "weighed": any(feature.importance is not None for feature in features),
        "unseen": [feature.name for feature in features if feature.score is None],
        "slices": report.slice_drifts(),
        "full": request.GET.get("tab") == "full",
        "first": report.edition == 1,
        "first_limit": FIRST_LIMIT,
        "first_share": FIRST_SHARE,
        "methods": METHOD_WORDS,
    }
    return render(request, "monitoring/drift_report.html", context)


@require_GET
def drift_report_html(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return Evidently's own page, locked up by a policy of its own."""
    report = get_object_or_404(DriftReport.objects.visible_to(actor_of(request)), pk=pk)
    path = Path(settings.REPORT_ROOT) / report.html
    if not (report.html and path.is_file()):
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
    messages.success(request, "The comparison is queued; its report appears here and under Drift.")
    return redirect("job", pk=job.pk)


def _row(feature: FeatureDrift) -> dict[str, object]:
    return {
        "of": feature,
        "drawn": histogram(feature.labels, feature.reference, feature.current),
        "width": 0 if feature.score is None else min(feature.score / (2 * feature.threshold or 1), 1) * 100,
        "unit": "SD" if feature.method == "wasserstein" else "of rows" if feature.method == "total_variation" else "",
        "broke": [BREAK_WORDS[kind] for kind in feature.breaks],
    }
