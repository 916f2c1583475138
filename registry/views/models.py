"""Registered models: the list, one model, and going back to a former champion."""

from django.contrib import messages
from django.db.models import Count, Exists, Min, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.paging import page_of
from registry import services
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.forms.models import ModelForm, champion_choices
from registry.models import Alert, Alias, ErrorBudget, Promotion, RegisteredModel, Role, Rollback, Task
from registry.selectors.alerts import grouped, leading
from registry.states import revalidation_state

OPEN = ("requested", "approved", "rolling_out")
NAMES = 20  # offered to complete one
SORTS = {"name": ("name", "id"), "-updated": ("-updated_at", "-id")}


def visible_model(actor: Actor, name: str) -> RegisteredModel:
    """Return a live model of the actor's teams, or 404."""
    models = RegisteredModel.objects.live().filter(team__in=actor.teams()).select_related("team", "created_by")
    return get_object_or_404(models, name=name)


@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """List the models of the reader's teams, with the champion and any open promotion as small marks."""
    actor = actor_of(request)
    chosen = {key: request.GET.get(key, "") for key in ("q", "team", "task", "tier", "state")}
    sort = request.GET.get("sort", "name")
    champion = Alias.objects.filter(model=OuterRef("pk"), name="champion")
    alerts = Alert.objects.filter(model=OuterRef("pk"), cleared_at__isnull=True).order_by().values("model")
    alerts = alerts.annotate(n=Count("pk"))
    budgets = ErrorBudget.objects.filter(model=OuterRef("pk")).order_by().values("model")
    budgets = budgets.annotate(least=Min("remaining"))
    rows = (
        RegisteredModel.objects.live()
        .filter(team__in=actor.teams())
        .select_related("team")
        .annotate(
            champion=Subquery(champion.values("version__number")[:1]),
            champion_since=Subquery(champion.values("set_at")[:1]),
            alerts_open=Coalesce(Subquery(alerts.values("n")[:1]), 0),
            budget_left=Subquery(budgets.values("least")[:1]),
            asking=Exists(Promotion.objects.filter(model=OuterRef("pk"), state__in=OPEN)),
        )
    )
    if chosen["q"]:
        rows = rows.filter(name__icontains=chosen["q"])
    if chosen["team"]:
        rows = rows.filter(team__slug=chosen["team"])
    if chosen["task"] in Task.values:
        rows = rows.filter(task=chosen["task"])
    if chosen["tier"] in {"1", "2", "3"}:
        rows = rows.filter(risk_tier=chosen["tier"])
    if chosen["state"] == "serving":
        rows = rows.filter(champion__isnull=False)
    elif chosen["state"] == "idle":
        rows = rows.filter(champion__isnull=True)
    elif chosen["state"] == "asking":
        rows = rows.filter(asking=True)
    elif chosen["state"] == "alert":
        rows = rows.filter(alerts_open__gt=0)
    context = {
        "page": page_of(request, rows, *SORTS.get(sort, SORTS["name"])),
        "matching": rows.count(),
        "chosen": chosen,
        "sort": sort,
        "teams": actor.teams().order_by("name"),
        "tasks": Task.choices,
        "filtered": any(chosen.values()),
        "may_create": actor.teams().filter(memberships__user=actor.user, memberships__role__in=["engineer", "admin"]),
    }
    template = "registry/models.html#list" if request.headers.get("HX-Request") else "registry/models.html"
    return render(request, template, context)


@require_GET
def model_names(request: HttpRequest) -> HttpResponse:
    """Complete the name of a model that a field asks for, as the reader types it."""
    rows = RegisteredModel.objects.live().filter(team__in=actor_of(request).teams())
    names = rows.filter(name__icontains=request.GET.get("model", "")).order_by("name").values_list("name", flat=True)
    return render(request, "partials/model_names.html", {"names": names[:NAMES]})


@require_http_methods(["GET", "POST"])
def model_new(request: HttpRequest) -> HttpResponse:
    """Register a model."""
    actor = actor_of(request)
    teams = actor.teams().filter(memberships__user=actor.user, memberships__role__in=["engineer", "admin"])
    form = ModelForm(request.POST or None, teams=teams)
    if request.method == "POST" and form.is_valid():
        try:
            model = services.model_create(actor=actor, **form.cleaned_data)
        except RefusedError as refused:
            field = getattr(refused, "field", "") or "name"
            form.add_error(field if field in form.fields else None, str(refused))
        else:
            messages.success(request, f"{model.name} is registered. Next: its acceptance criteria.")
            return redirect("model", name=model.name)
    return render(request, "registry/model_new.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
def model(request: HttpRequest, name: str) -> HttpResponse:
    """Show one model: what serves, its versions, and the history of its champions. Tabs are addresses."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    tab = request.GET.get("tab", "versions")
    role = actor.role_in(found.team)
    opened = found.alerts.filter(cleared_at__isnull=True)
    context = {
        "model": found,
        "tab": tab if tab in {"versions", "champions", "about"} else "versions",
        "champion": found.aliases.select_related("version").filter(name="champion").first(),
        "aliases": found.aliases.exclude(name="champion").select_related("version"),
        "promotion": found.promotions.filter(state__in=OPEN).select_related("version").first(),
        "criteria": found.criteria_sets.filter(state="agreed").first(),
        "former": champion_choices(found),
        "may_archive": role in (Role.ENGINEER, Role.ADMIN),
        "may_train": role == Role.ENGINEER,
        "may_roll_back": role in (Role.ENGINEER, Role.APPROVER),
        "may_review": role == Role.APPROVER,
        "now": timezone.now(),
        "revalidation": revalidation_state(found.revalidate_by, timezone.now().date()),
        "alerts": grouped(leading(opened)[:5], opened),
        "to_review": found.rollbacks.filter(reviewed_by__isnull=True).select_related("requested_by", "to_version"),
    }
    if context["tab"] == "versions":
        versions = found.versions.filter(archived_at__isnull=True).select_related("created_by")
        context["page"] = page_of(request, versions.prefetch_related("aliases", "promotions"), "-number", size=25)
    elif context["tab"] == "champions":
        moves = found.alias_moves.filter(name="champion").select_related(
            "version", "promotion", "rollback__reviewed_by", "set_by"
        )
        context["page"] = page_of(request, moves, "-id", size=25)
    return render(request, "registry/model.html", context)


@require_POST
def rollback(request: HttpRequest, name: str) -> HttpResponse:
    """Return to a former champion, with a reason, in one action."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    target = get_object_or_404(found.versions, number=request.POST.get("to_version", "0"))
    done = services.rollback(actor=actor, model=found, to_version=target, reason=request.POST.get("reason", ""))
    messages.success(
        request,
        f"v{done.to_version.number} is champion again; the gateway follows within seconds. "
        f"An approver reviews this until {done.review_due_at:%d %b %H:%M} UTC.",
    )
    return redirect("model", name=found.name)


@require_POST
def rollback_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm that a second person looked at a rollback."""
    actor = actor_of(request)
    done = get_object_or_404(Rollback.objects.filter(model__team__in=actor.teams()), pk=pk)
    services.rollback_review(actor=actor, rollback_id=done.pk, note=request.POST.get("note", ""))
    messages.success(request, "The rollback is reviewed.")
    return redirect("model", name=done.model.name)
