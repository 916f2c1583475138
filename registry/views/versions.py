"""One model version: its checks, evidence, files and how to load it."""

from urllib.parse import quote

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from registry import selectors, services
from registry.access import Actor, actor_of
from registry.adapters import workspace_of
from registry.asking import example_command
from registry.conversions import conversion_of
from registry.errors import RefusedError
from registry.forms.models import PromotionForm
from registry.models import ModelVersion, ReferenceProfile, Role, VersionReading
from registry.views.models import OPEN, visible_model

TABS = ("overview", "evidence", "files")


def visible_version(actor: Actor, name: str, number: int) -> ModelVersion:
    """Return a version of a live model of the actor's teams that is not archived, or 404."""
    versions = visible_model(actor, name).versions.filter(archived_at__isnull=True)
    return get_object_or_404(versions.select_related("model__team", "created_by", "job"), number=number)


@require_GET
def version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show one version; tabs are addresses."""
    return _page(request, visible_version(actor_of(request), name, number), PromotionForm())


@require_POST
def promotion_request(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Ask that the version become champion."""
    actor = actor_of(request)
    found = visible_version(actor, name, number)
    form = PromotionForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form, status=422)
    try:
        promotion = services.promotion_request(
            actor=actor, version=found, description=form.cleaned_data["description"],
            mends_budget=form.cleaned_data["mends_budget"],
        )  # fmt: skip
    except RefusedError as refused:
        return _page(request, found, form, refused=refused, status=refused.status)
    messages.success(request, "The promotion is requested; the deciders find it in their inbox.")
    return redirect("promotion_plan" if form.cleaned_data["own_plan"] else "promotion", pk=promotion.pk)


@require_POST
def version_verify(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Ask for a job that reads the files, where none does yet or one has failed."""
    actor = actor_of(request)
    found = visible_version(actor, name, number)
    services.version_read_start(version_id=found.pk, actor=actor)
    return redirect(f"{found.path}?tab=files")


def _page(
    request: HttpRequest, found: ModelVersion, form: PromotionForm, *, refused: RefusedError | None = None,
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    actor = actor_of(request)
    tab = request.GET.get("tab", "overview")
    criteria = found.model.criteria_sets.filter(state="agreed").first()
    checks = selectors.checks_of(found, criteria) if criteria else []
    aliases = list(found.aliases.all())
    context = {
        "version": found,
        "model": found.model,
        "tab": tab if tab in TABS else "overview",
        "criteria": criteria,
        "checks": checks,
        "unmet": sum(check.blocks for check in checks),
        "evidence": found.evidence.select_related("against", "job") if tab == "evidence" else [],
        "evidence_count": found.evidence.count(),
        "aliases": aliases,
        "is_champion": any(alias.name == "champion" for alias in aliases),
        "promotions": found.promotions.select_related("requested_by"),
        "open_promotion": found.model.promotions.filter(state__in=OPEN).first(),
        "size": sum(file.get("size", 0) for file in found.manifest),
        "has_champion": found.model.aliases.filter(name="champion").exists(),
        "may_request": actor.role_in(found.model.team) == Role.ENGINEER,
        "may_archive": actor.role_in(found.model.team) in (Role.ENGINEER, Role.ADMIN),
        "form": form,
        "spent": selectors.spent_budgets(found.model, selectors.policy_for(found.model)),
        "refused": refused,
        "snippets": _snippets(found),
        "run_url": mlflow_run_url(found),
        **(_files(actor, found) if tab == "files" else {}),
    }
    return render(request, "registry/version.html", context, status=status)


def _files(actor: Actor, found: ModelVersion) -> dict[str, object]:
    return {
        "reading": VersionReading.objects.filter(version=found).first(),
        "signature": selectors.signature_of(found),
        "reference": ReferenceProfile.objects.filter(version=found).first(),
        "conversion": conversion_of(found.format),
        "may_write": actor.role_in(found.model.team) in (Role.ENGINEER, Role.ADMIN),
    }


def mlflow_run_url(found: ModelVersion) -> str:
    """Return the page of the version's run in MLflow's own web interface."""
    if not found.run_id:
        return ""
    return f"{settings.MLFLOW_URL}/#/runs/{quote(found.run_id)}?workspace={workspace_of(found.model.team)}"


def _snippets(found: ModelVersion) -> list[tuple[str, str]]:
    uri = f"models:/{found.model.name}/{found.number}"
    return [
        ("Point a client here", f"export MLFLOW_TRACKING_URI={settings.MLFLOW_URL} MLFLOW_TRACKING_TOKEN=…"),
        ("Load it in Python", f'mlflow.pyfunc.load_model("{uri}")'),
        *(
            [("Ask the gateway, which answers by it while it is champion", example_command(found))]
            if found.is_servable
            else []
        ),
    ]
