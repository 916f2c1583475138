"""Objectives: the list, one of them, setting, editing and deleting them."""

import json

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.paging import page_of
from monitoring import selectors, services
from monitoring.forms.objectives import FIELDS, FORMS, SloForm
from monitoring.models import Slo
from monitoring.slo.arithmetic import Standing
from monitoring.slo.burn import LEAST_FAILURES
from monitoring.views.drawings import WORDS, slo_row
from monitoring.views.slo_drawing import burn_down
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.models import Alert, AuditEvent, RegisteredModel

KINDS = [(kind, Slo.Kind(kind).label) for kind in services.KINDS]
HISTORY = 20


@require_GET
def slos(request: HttpRequest) -> HttpResponse:
    """List the objectives of the reader's teams and how they stand."""
    actor = actor_of(request)
    asked = {name: request.GET.get(name, "") for name in ("model", "kind", "standing")}
    fields = {"model": "model__name", "kind": "kind", "standing": "standing"}
    rows = Slo.objects.visible_to(actor)
    counts = dict(rows.order_by().values_list("standing").annotate(n=Count("pk")))
    page = page_of(
        request, rows.filter(**{fields[name]: value for name, value in asked.items() if value}),
        "model__name", "id", size=25,
    )  # fmt: skip
    context = {
        "page": page,
        "rows": [slo_row(status) for status in selectors.slo_statuses(page.rows, now=timezone.now())],
        "asked": asked,
        "name": asked["model"],
        "filtered": any(asked.values()),
        "kinds": KINDS,
        "standings": [(str(s), *WORDS[s], counts.get(str(s), 0)) for s in reversed(Standing)],
        "may_set": _settable(actor).exists(),
        "snippet": _snippet(asked["model"] or "<model>"),
    }
    template = "monitoring/slos.html#rows" if request.headers.get("HX-Request") else "monitoring/slos.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def slo_new(request: HttpRequest) -> HttpResponse:
    """Set an objective of the kind that the address names."""
    actor = actor_of(request)
    kind = request.GET.get("kind", "")
    kind = kind if kind in FORMS else "availability"
    models = _settable(actor)
    form = FORMS[kind](request.POST or None, models=models, initial={"model": request.GET.get("model")})
    if request.method == "POST" and form.is_valid():
        try:
            slo = services.slo_create(actor=actor, model=form.cleaned_data["model"], **form.terms())
        except RefusedError as refused:
            _refuse(form, refused)
        else:
            messages.success(request, "The objective is set.")
            return redirect("slo", pk=slo.pk)
    context = {"form": form, "kind": kind, "kinds": KINDS, "model": request.GET.get("model", "")}
    return render(request, "monitoring/slo_new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
def slo_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what an objective promises, for a reason."""
    actor = actor_of(request)
    found = get_object_or_404(Slo.objects.visible_to(actor), pk=pk)
    form = FORMS[found.kind](request.POST or None, models=_settable(actor), slo=found)
    if request.method == "POST" and form.is_valid():
        try:
            services.slo_edit(actor=actor, slo=found, reason=form.cleaned_data["reason"], **form.terms())
        except RefusedError as refused:
            if refused.status == 403:
                raise
            _refuse(form, refused)
        else:
            messages.success(request, "The objective is changed.")
            return redirect("slo", pk=pk)
    context = {"form": form, "slo": found}
    return render(request, "monitoring/slo_edit.html", context, status=422 if form.is_bound else 200)


@require_GET
def slo(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one objective with its error budget over the window, what burns it, and what happened meanwhile."""
    actor = actor_of(request)
    found = get_object_or_404(Slo.objects.visible_to(actor), pk=pk)
    now = timezone.now()
    [status] = selectors.slo_statuses([found], now=now)
    marks = selectors.marks_of(found.model, since=status.window.start, until=now)
    context = {
        **slo_row(status),
        "chart": burn_down(status, marks, now=now) if status.total else None,
        "marks": marks[::-1],
        "least_failures": LEAST_FAILURES,
        "spans": status.spans[: -HISTORY - 1 : -1],
        "estimates": selectors.quality_proxy(found, now=now)[:1] if found.kind == Slo.Kind.QUALITY else [],
        "disagreements": selectors.disagreement_proxies(found, now=now) if found.kind == Slo.Kind.QUALITY else [],
        "alerts": Alert.objects.filter(model=found.model, key__startswith=f"slo:{found.pk}:")[:HISTORY],
        "history": AuditEvent.objects.filter(subject=found.path)[:HISTORY],
        "may_set": actor.role_in(found.model.team) in services.SLO_OWNERS,
    }
    return render(request, "monitoring/slo.html", context)


@require_POST
def slo_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an objective back."""
    actor = actor_of(request)
    found = get_object_or_404(Slo.objects.visible_to(actor), pk=pk)
    services.slo_delete(actor=actor, slo=found)
    messages.success(request, f"The objective is deleted. Telemetry of {found.model.name} stays.")
    return redirect("slos")


def _refuse(form: SloForm, refused: RefusedError) -> None:
    field = FIELDS.get(getattr(refused, "field", ""), getattr(refused, "field", ""))
    form.add_error(field if field in form.fields else None, str(refused))


def _snippet(model: str) -> str:
    body = json.dumps({"model": model, "kind": "availability", "objective": 0.999})
    return f"curl {settings.WEB_URL}/api/v1/slos -H 'Authorization: Bearer '$TOKEN --json '{body}'"


def _settable(actor: Actor) -> QuerySet[RegisteredModel]:
    """Return the models whose objectives the actor may set."""
    teams = actor.user.memberships.filter(role__in=services.SLO_OWNERS, team__in=actor.teams()).values("team")
    return RegisteredModel.objects.live().filter(team__in=teams)
