"""Acceptance criteria of a model: the agreed set, a draft to decide on, what changed, and drafting the next."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry import selectors, services
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.forms.criteria import MOST_CRITERIA, CriteriaFormSet, CriterionForm
from registry.metric_words import Nouns
from registry.models import AcceptanceCriterion, CriteriaSet, RegisteredModel, Role
from registry.plain_words.rules import target_words
from registry.views.models import visible_model


@require_GET
def criteria(request: HttpRequest, name: str) -> HttpResponse:
    """Show the sets of a model: a draft and what it changes, the one in force, earlier ones, and two compared."""
    return _page(request, visible_model(actor_of(request), name))


@require_http_methods(["GET", "POST"])
def criteria_draft(request: HttpRequest, name: str) -> HttpResponse:
    """Draft the next set, starting from the one that ``?from=`` names, or else from the one in force."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    actor.require(found.team, Role.PRODUCT)
    start = _start(request, found)
    metrics = selectors.metric_choices(found)
    if request.method == "GET":
        rows = list(start.criteria.values()) if start else []
        formset = CriteriaFormSet(initial=rows, prefix="c", form_kwargs={"metrics": metrics})
        words = {"cases": start.cases, "events": start.events, "note": ""} if start else {}
        return _draft_page(request, found, formset, words, start=start)
    words = {key: request.POST.get(key, "").strip() for key in ("cases", "events", "note")}
    if "add" in request.POST:
        return _draft_page(request, found, _with_one_more(request, metrics), words, start=start, quiet=True)
    formset = CriteriaFormSet(request.POST, prefix="c", form_kwargs={"metrics": metrics})
    error = ""
    if formset.is_valid():
        filled = [form.cleaned_data for form in formset.forms if form.cleaned_data and not form.cleaned_data["DELETE"]]
        rules = [{key: value for key, value in rule.items() if key != "DELETE"} for rule in filled]
        try:
            drafted = services.criteria_draft(actor=actor, model=found, criteria=rules, **words)
        except RefusedError as refused:
            error = str(refused)
        else:
            messages.success(request, f"Set {drafted.number} is drafted; a second person agrees on it.")
            return redirect("criteria", name=found.name)
    return _draft_page(request, found, formset, words, start=start, error=error, status=422)


@require_POST
def criteria_preview(request: HttpRequest, name: str) -> HttpResponse:
    """Put one row of the form in words while it is being filled in; writes nothing."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    actor.require(found.team, Role.PRODUCT)
    row = request.POST.get("row", "")
    prefix = f"c-{row}" if row.isascii() and row.isdigit() else "c-0"
    form = CriterionForm(request.POST, prefix=prefix, metrics=selectors.metric_choices(found))
    nouns = _nouns(request.POST.get("cases", ""), request.POST.get("events", ""))
    return render(request, "registry/criteria_draft.html#preview", {"preview": _preview(found, form, nouns)})


@require_POST
def criteria_agree(request: HttpRequest, pk: int) -> HttpResponse:
    """Agree on a drafted set."""
    actor, drafted = actor_of(request), _visible_set(request, pk)
    reason = request.POST.get("reason", "")
    try:
        services.criteria_agree(actor=actor, criteria_set_id=drafted.pk, reason=reason)
    except RefusedError as refused:
        return _page(request, drafted.model, refused=refused, reason=reason)
    messages.success(request, f"Set {drafted.number} is in force.")
    return redirect("criteria", name=drafted.model.name)


@require_POST
def criteria_decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Decline a drafted set, with a reason."""
    actor, drafted = actor_of(request), _visible_set(request, pk)
    reason = request.POST.get("reason", "")
    try:
        services.criteria_decline(actor=actor, criteria_set_id=drafted.pk, reason=reason)
    except RefusedError as refused:
        return _page(request, drafted.model, refused=refused, reason=reason)
    messages.success(request, f"Set {drafted.number} is declined; its author sees the reason.")
    return redirect("criteria", name=drafted.model.name)


def _visible_set(request: HttpRequest, pk: int) -> CriteriaSet:
    sets = CriteriaSet.objects.filter(model__team__in=actor_of(request).teams())
    return get_object_or_404(sets.select_related("model__team"), pk=pk)


def _start(request: HttpRequest, model: RegisteredModel) -> CriteriaSet | None:
    wanted = request.GET.get("from", "")
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 10:
        return model.criteria_sets.filter(number=wanted).first()
    return model.criteria_sets.filter(state=CriteriaSet.State.AGREED).first()


def _with_one_more(request: HttpRequest, metrics: list[tuple[str, str]]) -> Any:
    """Return the form as it was sent, with one more empty row."""
    data = request.POST.copy()
    total = data.get("c-TOTAL_FORMS", "1")
    count = int(total) if total.isascii() and total.isdigit() and len(total) < 4 else 1
    data["c-TOTAL_FORMS"] = str(min(count + 1, MOST_CRITERIA))
    data.setdefault(f"c-{count}-blocking", "on")
    return CriteriaFormSet(data, prefix="c", form_kwargs={"metrics": metrics})


def _nouns(cases: str, events: str) -> Nouns:
    usual = Nouns()
    return Nouns(cases.strip() or usual.cases, events.strip() or usual.events)


def _preview(model: RegisteredModel, form: CriterionForm, nouns: Nouns) -> dict[str, Any]:
    """Return the row in words, with its first errors, and how the version in use would do."""
    values = {name: form[name].value() for name in form.fields}
    if not values["metric"]:
        return {}
    if form.is_bound and not form.is_valid():
        return {
            "errors": [f"{form[name].label}: {errors[0]}" for name, errors in form.errors.items() if name in values]
        }
    known = form.cleaned_data if form.is_bound else values
    if known["threshold"] in (None, ""):
        return {}
    names = (field.name for field in AcceptanceCriterion._meta.concrete_fields)
    rule = AcceptanceCriterion(**{key: known[key] for key in names if key in known}).rule
    return {
        "sentence": target_words(rule, nouns), "reason": known["reason"], "blocking": rule.blocking,
        "today": selectors.champion_against(model, rule, nouns),
    }  # fmt: skip


def _draft_page(
    request: HttpRequest, model: RegisteredModel, formset: Any, words: dict[str, str], *, start: CriteriaSet | None,
    error: str = "", quiet: bool = False, status: int = 200,
) -> HttpResponse:  # fmt: skip
    nouns = _nouns(words.get("cases", ""), words.get("events", ""))
    context = {
        "model": model,
        "formset": formset,
        "rows": [(form, {} if quiet else _preview(model, form, nouns)) for form in formset],
        "words": words,
        "start": start,
        "sets": model.criteria_sets.all(),
        "data_sets": selectors.data_set_names(model),
        "error": error,
        "quiet": quiet,
    }
    return render(request, "registry/criteria_draft.html", context, status=status)


def _page(
    request: HttpRequest, found: RegisteredModel, refused: RefusedError | None = None, reason: str = ""
) -> HttpResponse:
    actor = actor_of(request)
    sets = list(
        found.criteria_sets.select_related("drafted_by", "agreed_by", "declined_by").prefetch_related(
            "criteria__criteria_set"
        )
    )
    by_number = {str(one.number): one for one in sets}
    agreed = next((one for one in sets if one.state == CriteriaSet.State.AGREED), None)
    latest = sets[0] if sets else None
    draft = latest if latest and latest.state in (CriteriaSet.State.DRAFT, CriteriaSet.State.DECLINED) else None
    old, new = (by_number.get(request.GET.get(key, "")) for key in ("old", "new"))
    context = {
        "model": found,
        "agreed": agreed,
        "draft": draft,
        "draft_changes": selectors.set_changes(agreed, draft) if agreed and draft else None,
        "older": [one for one in sets if one not in (agreed, draft)],
        "sets": sets,
        "old": old,
        "new": new,
        "changes": selectors.set_changes(old, new) if old and new else None,
        **_rights(actor, found),
        "me": actor.user,
        "refused": refused,
        "reason": reason,
    }
    return render(request, "registry/criteria.html", context, status=refused.status if refused else 200)


def _rights(actor: Actor, model: RegisteredModel) -> dict[str, bool]:
    role = actor.role_in(model.team)
    return {"may_draft": role == Role.PRODUCT, "may_agree": role in (Role.PRODUCT, Role.APPROVER)}
