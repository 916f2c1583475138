"""Acceptance criteria of a model: the agreed set, a draft to agree on, and drafting the next."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry import services
from registry.access import actor_of
from registry.errors import RefusedError
from registry.forms import CriteriaFormSet
from registry.models import CriteriaSet, RegisteredModel, Role
from registry.views.models import visible_model


@require_GET
def criteria(request: HttpRequest, name: str) -> HttpResponse:
    """Show the sets of a model, the one in force first."""
    return _page(request, visible_model(actor_of(request), name))


@require_http_methods(["GET", "POST"])
def criteria_draft(request: HttpRequest, name: str) -> HttpResponse:
    """Draft the next set, starting from the one in force."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    actor.require(found.team, Role.PRODUCT)
    agreed = found.criteria_sets.filter(state=CriteriaSet.State.AGREED).first()
    start = list(agreed.criteria.values()) if agreed else []
    formset = CriteriaFormSet(request.POST or None, initial=start, prefix="c")
    error = ""
    if request.method == "POST" and formset.is_valid():
        filled = [form.cleaned_data for form in formset.forms if form.cleaned_data and not form.cleaned_data["DELETE"]]
        try:
            drafted = services.criteria_draft(
                actor=actor, model=found, criteria=_rules(filled), note=request.POST.get("note", "")
            )
        except RefusedError as refused:
            error = str(refused)
        else:
            messages.success(request, f"Set {drafted.number} is drafted; a second person agrees on it.")
            return redirect("criteria", name=found.name)
    status = 422 if error or (formset.is_bound and not formset.is_valid()) else 200
    context = {"model": found, "formset": formset, "error": error, "note": request.POST.get("note", "")}
    return render(request, "registry/criteria_draft.html", context, status=status)


@require_POST
def criteria_agree(request: HttpRequest, pk: int) -> HttpResponse:
    """Agree on a drafted set."""
    actor = actor_of(request)
    drafted = get_object_or_404(CriteriaSet.objects.filter(model__team__in=actor.teams()), pk=pk)
    try:
        services.criteria_agree(actor=actor, criteria_set_id=drafted.pk)
    except RefusedError as refused:
        return _page(request, drafted.model, refused=refused)
    messages.success(request, f"Set {drafted.number} is in force.")
    return redirect("criteria", name=drafted.model.name)


def _rules(filled: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in rule.items() if key != "DELETE"} for rule in filled]


def _page(request: HttpRequest, found: RegisteredModel, refused: RefusedError | None = None) -> HttpResponse:
    actor = actor_of(request)
    role = actor.role_in(found.team)
    sets = found.criteria_sets.select_related("drafted_by", "agreed_by").prefetch_related("criteria")
    context = {
        "model": found,
        "agreed": sets.filter(state=CriteriaSet.State.AGREED).first(),
        "draft": sets.filter(state=CriteriaSet.State.DRAFT).first(),
        "older": sets.filter(state=CriteriaSet.State.SUPERSEDED),
        "may_draft": role == Role.PRODUCT,
        "may_agree": role in (Role.PRODUCT, Role.APPROVER),
        "me": actor.user,
        "refused": refused,
    }
    return render(request, "registry/criteria.html", context, status=refused.status if refused else 200)
