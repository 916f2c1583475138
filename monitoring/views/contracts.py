"""Data quality: over models and data sets, one model's live inputs, and the panel of a model's page."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from experiments.models import ContractCheck, DataContract, DatasetVersion
from experiments.selectors import datasets_of
from jobs.paging import page_of
from monitoring import services
from monitoring.contracts import MIN_ROWS, State
from monitoring.models import LiveCheck, LiveContract
from monitoring.selectors.contracts import (
    WINDOW,
    LiveSubject,
    dataset_of,
    live_judgement,
    live_subject,
    live_subjects,
    models_held,
)
from registry.access import WRITERS, Actor, actor_of
from registry.models import RegisteredModel
from registry.views.models import visible_model

MODELS = 50
STRIP = 120  # looks, one a minute


@dataclass(frozen=True)
class ModelRow:
    """A model in the list."""

    subject: LiveSubject
    check: LiveCheck | None


@require_GET
def data_quality(request: HttpRequest) -> HttpResponse:
    """List models by how their live inputs stand, the worst first; or data sets by how their newest versions do."""
    actor = actor_of(request)
    of = "datasets" if request.GET.get("of") == "datasets" else "models"
    listed = _datasets if of == "datasets" else _models
    sought = request.GET.get("q", "").strip()
    context = {"q": sought, "of": of, **listed(request, actor, sought)}
    return render(request, "monitoring/data_quality.html", context)


def _models(request: HttpRequest, actor: Actor, sought: str) -> dict[str, Any]:
    models = RegisteredModel.objects.live().filter(team__in=actor.teams(), name__icontains=sought)
    page = page_of(request, models_held(models), "place", size=MODELS)
    last = LiveCheck.objects.filter(model__in=page.rows).order_by("model_id", "-at").distinct("model_id")
    checks = {check.model_id: check for check in last}
    subjects = {subject.version.model_id: subject for subject in live_subjects(page.rows)}
    return {
        "page": page,
        "models": [ModelRow(subjects[m.pk], checks.get(m.pk)) for m in page.rows if m.pk in subjects],
    }


def _datasets(request: HttpRequest, actor: Actor, sought: str) -> dict[str, Any]:
    newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
    last = ContractCheck.objects.filter(dataset=OuterRef("pk")).order_by("-id")
    numbered = DataContract.objects.filter(dataset=OuterRef("pk")).order_by("-number")
    datasets = datasets_of(actor).filter(name__icontains=sought)
    datasets = datasets.annotate(
        newest=Subquery(newest.values("number")[:1]), number=Subquery(numbered.values("number")[:1]),
        check_pk=Subquery(last.values("pk")[:1]), broken=Subquery(last.values("broken")[:1]),
        noted=Subquery(last.values("noted")[:1]), held=Subquery(last.values("held")[:1]),
        checked_at=Subquery(last.values("created_at")[:1]), checked=Subquery(last.values("version__number")[:1]),
    )  # fmt: skip
    return {"page": page_of(request, datasets, "name")}


@require_http_methods(["GET", "POST"])
def model_data_quality(request: HttpRequest, name: str) -> HttpResponse:
    """Show how a model's latest inputs stand to its data contract, and let its team choose the contract."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    datasets = datasets_of(actor).filter(team=model.team)
    if request.method == "POST":
        chosen = request.POST.get("dataset", "")
        dataset = get_object_or_404(datasets, name=chosen) if chosen else None
        services.live_contract_choose(actor=actor, model=model, dataset=dataset)
        messages.success(
            request,
            f"The inputs of {model.name} are held to {f'the contract of {dataset.name}' if dataset else 'that of its training rows'}.",
        )
        return redirect("model_data_quality", name=name)
    now = timezone.now()
    subject = live_subject(model)
    context = {
        "model": model,
        "subject": subject,
        "judged": live_judgement(subject, now=now) if subject else None,
        "dataset": dataset_of(model),
        "chosen": LiveContract.objects.filter(model=model).select_related("dataset", "chosen_by").first(),
        "datasets": datasets.order_by("name").values_list("name", flat=True),
        "strip": _strip(model),
        "least": MIN_ROWS,
        "minutes": int(WINDOW.total_seconds() // 60),
        "may_choose": actor.role_in(model.team) in WRITERS,
    }
    template = "monitoring/model_data_quality.html#now" if request.htmx else "monitoring/model_data_quality.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_GET
def data_quality_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show in a model's page how its latest inputs stand, by the last look."""
    model = visible_model(actor_of(request), name)
    subject = live_subject(model)
    check = LiveCheck.objects.filter(model=model, contract=subject.contract).first() if subject else None
    broken = [result for result in check.results if result["state"] == State.BROKEN] if check else []
    context = {
        "model": model,
        "subject": subject,
        "check": check,
        "broken": broken,
        "dataset": None if subject else dataset_of(model),
    }
    return render(request, "monitoring/data_quality_panel.html", context)


def _strip(model: RegisteredModel) -> list[tuple[int, LiveCheck]]:
    """Return the last looks, oldest first, each with its place from the left."""
    looks = list(LiveCheck.objects.filter(model=model).defer("results")[:STRIP])[::-1]
    return [(place * 6, look) for place, look in enumerate(looks)]
