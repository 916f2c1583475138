"""Data sets: the list, one data set, one version, and asking for a new one."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import services
from experiments.builders.catalogue import BUILDERS
from experiments.drawing.boxes import drawn_across, drawn_down
from experiments.drawing.charts import histogram
from experiments.forms.data import DatasetForm, DeclaredForm
from experiments.lineage.rows import DRAWN_ONE_BY_ONE, data_lineage, drawn_of, uses_shown, ways
from experiments.models import ContractDraft, Dataset, DatasetVersion
from experiments.models.datasets import HELD_OUT
from experiments.rows.splitting import order
from experiments.selectors import datasets_of
from experiments.target_shown import policy_words, split_shown
from jobs.paging import page_of
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.models import Role


def visible_dataset(actor: Actor, name: str) -> Dataset:
    """Return a data set of the actor's teams, or 404."""
    return get_object_or_404(datasets_of(actor), name=name)


@require_GET
def datasets(request: HttpRequest) -> HttpResponse:
    """List the data sets of the reader's teams with their newest versions."""
    actor = actor_of(request)
    newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
    rows = datasets_of(actor).annotate(
        newest_rows=Subquery(newest.values("rows")[:1]),
        newest_digest=Subquery(newest.values("digest")[:1]),
        newest_at=Subquery(newest.values("created_at")[:1]),
    )
    sought = request.GET.get("q", "")
    if sought:
        rows = rows.filter(name__icontains=sought)
    context = {"page": page_of(request, rows, "name"), "q": sought, "may_create": _engineers_teams(actor).exists()}
    template = "experiments/datasets.html#list" if request.headers.get("HX-Request") else "experiments/datasets.html"
    return render(request, template, context)


@require_GET
def dataset_of(request: HttpRequest) -> HttpResponse:
    """Go on to the rows that evidence names: the version with its digest, else the data set, else the list of such names."""
    name, digest = request.GET.get("name", ""), request.GET.get("digest", "")
    found = datasets_of(actor_of(request)).filter(name=name).first()
    if found is None:
        return redirect(f"{reverse('datasets')}?{urlencode({'q': name})}")
    version = found.versions.filter(digest=digest).first() if digest else None
    return redirect((version or found).path)


@require_http_methods(["GET", "POST"])
def dataset_new(request: HttpRequest) -> HttpResponse:
    """Make a data set."""
    actor = actor_of(request)
    form = DatasetForm(request.POST or None, teams=_engineers_teams(actor))
    if request.method == "POST" and form.is_valid():
        try:
            made = services.dataset_create(actor=actor, **form.cleaned_data)
        except RefusedError as refused:
            form.add_error("name", str(refused))
        else:
            messages.success(request, f"{made.name} is there; build its first version next.")
            return redirect("dataset", name=made.name)
    return render(request, "experiments/dataset_new.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
def dataset(request: HttpRequest, name: str) -> HttpResponse:
    """Show one data set with its versions."""
    actor = actor_of(request)
    found = visible_dataset(actor, name)
    return _page(request, found, {key: DeclaredForm(builder.params) for key, builder in BUILDERS.items()})


@require_POST
def dataset_build(request: HttpRequest, name: str) -> HttpResponse:
    """Start a job that builds the next version."""
    actor = actor_of(request)
    found = visible_dataset(actor, name)
    chosen = request.POST.get("builder", "")
    forms = {
        key: DeclaredForm(builder.params, request.POST if key == chosen else None) for key, builder in BUILDERS.items()
    }
    if chosen not in forms or not forms[chosen].is_valid():
        return _page(request, found, forms, status=422)
    job = services.dataset_build_start(
        actor=actor, dataset=found, builder=chosen, params=forms[chosen].cleaned_data
    )  # fmt: skip
    return redirect("job", pk=job.pk)


@require_GET
def dataset_version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show one version: schema, profile, splits, checks, and who uses it."""
    actor = actor_of(request)
    versions = visible_dataset(actor, name).versions.select_related(
        "dataset__team", "parent", "created_by", "job", "golden", "made_from__dataset"
    )
    found = get_object_or_404(versions, number=number)
    check = found.contract_checks.select_related("contract", "dataset").first()
    in_force = found.dataset.contract_in_force()
    context = {
        "version": found,
        "dataset": found.dataset,
        "check": check,
        "newer": in_force if in_force and (check is None or check.contract_id != in_force.pk) else None,
        "mark": getattr(found, "golden", None),
        "series": found.column_in("series"),
        "measurable": [(s, f["rows"]) for s, f in sorted(found.splits.items(), key=lambda item: item[0] != HELD_OUT)],
        "may_mark": actor.role_in(found.dataset.team) == Role.ENGINEER and not found.runs.exists(),
        "may_confirm": _may_confirm(actor, found),
        "may_keep": actor.role_in(found.dataset.team) in services.CONTRACT_KEEPERS,
        "query": [(name.replace("_", " "), _plain(value)) for name, value in found.query.items()],
        "columns": [_column(column, found.profile.get(column["name"], {}), found.rows) for column in found.columns],
        "splits": [split_shown(split, facts) for split, facts in sorted(found.splits.items(), key=_by_time)],
        "policy": policy_words(found),
        **_lineage(request, found),
    }
    return render(request, "experiments/dataset_version.html", context)


def _lineage(request: HttpRequest, version: DatasetVersion) -> dict[str, Any]:
    """Return the lineage as a drawing and in words, and one page of what uses the version, of one model where it is asked for."""
    found, uses = data_lineage(version), uses_shown(version)
    few = list(uses.order_by("-id")) if found.use_count <= DRAWN_ONE_BY_ONE else []
    trunk, branches = drawn_of(found, few)
    model = request.GET.get("model", "")
    page = page_of(request, uses.filter(model__name=model) if model else uses, "-id", size=25)
    return {
        "lineage": found, "origin": trunk[0][0], "across": drawn_across(trunk, branches), "down": drawn_down(trunk, branches),
        "of_model": model, "page": page, "uses": [(use, ways(use)) for use in page.rows],
    }  # fmt: skip


def _may_confirm(actor: Actor, version: DatasetVersion) -> bool:
    mark = getattr(version, "golden", None)
    return (
        mark is not None
        and mark.marked_by_id != actor.user.pk
        and actor.role_in(version.dataset.team) in services.CONFIRMERS
    )


def _by_time(item: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
    name, facts = item
    return ("", order(name)) if "column" in facts else (facts["from"], facts["until"])


def _plain(value: Any) -> str:
    """Return a part of a query as people read it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return " to ".join(map(str, value)) if isinstance(value, list) and len(value) == 2 else str(value)


def _engineers_teams(actor: Actor) -> Any:
    return actor.teams().filter(memberships__user=actor.user, memberships__role=Role.ENGINEER).order_by("name")


def _page(request: HttpRequest, found: Dataset, forms: dict[str, DeclaredForm], *, status: int = 200) -> HttpResponse:
    versions = found.versions.select_related("created_by", "job", "golden")
    context = {
        "dataset": found,
        "page": page_of(request, versions, "-number", size=25),
        "builders": [(BUILDERS[key], form) for key, form in forms.items()],
        "may_build": actor_of(request).role_in(found.team) == Role.ENGINEER,
        "contract": found.contract_in_force(),
        "sources": found.sources.select_related("created_by", "dataset")[:50],
        "draft": ContractDraft.objects.filter(dataset=found).exists(),
    }
    return render(request, "experiments/dataset.html", context, status=status)


def _column(column: dict[str, str], facts: dict[str, Any], rows: int) -> dict[str, Any]:
    """Return a column with its profile as the page prints it."""
    top = facts.get("top", [])
    named = sum(count for _, count in top)
    return {
        **column,
        **facts,
        "missing": facts.get("nulls", 0) / rows if rows else None,
        "outline": histogram(facts.get("histogram", {}).get("counts", [])),
        "middle": facts.get("quantiles", {}).get("0.5"),
        "top": [(value, count / rows) for value, count in top[:3]],
        "other": 1 - (named + facts.get("nulls", 0)) / rows if top and rows else 0,
    }
