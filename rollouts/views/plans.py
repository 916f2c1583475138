"""The plan of a model's rollouts: the one in force, what it is expected to take, its history, and the editor."""

from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry.access import actor_of
from registry.errors import RefusedError
from registry.models import RegisteredModel
from registry.selectors import policy_for
from registry.views.models import visible_model
from registry.views.promotions import visible_promotion
from rollouts import selectors, services
from rollouts.acts import may_bring_plan
from rollouts.drawing import about, allowed
from rollouts.forms import EMPTY, KINDS, ROWS, PlanForms
from rollouts.judging import alphas
from rollouts.models import RolloutPlan
from rollouts.plan import Freeze, Plan, plan_document
from rollouts.plan_text import PlanTextError, plan_from_yaml, plan_to_yaml
from rollouts.planning import expectations
from rollouts.recordings import recorded_rates
from rollouts.units import WEEKDAYS, show_share

PLANNERS = services.PLANNERS

PARTS = {
    "steps": {
        "title": "Steps",
        "one": "Step",
        "a": "a step",
        "about": "The candidate answers a share of the callers; the way to 100% is the last step's pass",
    },
    "guardrails": {
        "title": "Guardrails",
        "one": "Guardrail",
        "a": "a guardrail",
        "about": "What the candidate must not worsen; any fail goes back",
    },
    "freezes": {
        "title": "Freezes",
        "one": "Freeze",
        "a": "a freeze",
        "about": "Nothing begins or advances meanwhile; a fail still goes back",
    },
}


@dataclass
class Draft:
    """A plan while it is edited, as a form or as text, and what is wrong with it.

    Attributes:
        plan: None while it is not sound.
    """

    as_yaml: bool
    plan: Plan | None = None
    forms: PlanForms | None = None
    text: str = ""
    fault: PlanTextError | None = None


@require_GET
def rollout_plan(request: HttpRequest, name: str) -> HttpResponse:
    """Show the plan in force, or the one that ``?number=`` names, with what it is expected to take and how it came to be."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    shown = shown_plan(request, model)
    plan = shown.plan if shown and shown.document is not None else None
    versions = list(model.rollout_plans.select_related("made_by"))
    context = {
        "model": model,
        "shown": shown,
        "plan": plan,
        "text": plan_to_yaml(plan) if plan else "",
        **(_in_words(plan) if plan else {}),
        "history": _history(versions),
        "own": selectors.own_plan(model) is not None,
        "applies": model.rolls_out or policy_for(model).rollout_required,
        "may_plan": actor.role_in(model.team) in PLANNERS,
        **(_expected(model, plan) if plan else {}),
    }
    return render(request, "rollouts/plan.html", context)


@require_http_methods(["GET", "POST"])
def rollout_plan_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Edit the plan as a form or as YAML; what is typed moves between both, is checked, and is saved as the next number."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    actor.require(model.team, *PLANNERS)
    start = _asked(request, model)
    if start is None or start.document is None:
        start = selectors.plan_in_force(model)
    as_yaml = request.GET.get("as") == "yaml"
    if request.method == "GET":
        return _editor(request, model, _draft(start.plan, as_yaml), start=start)
    draft = _typed(request, as_yaml)
    if "add" in request.POST:
        draft.fault = None
        return _editor(request, model, draft, start=start, quiet=True)
    if draft.plan is None:
        return _editor(request, model, draft, start=start, status=422)
    if request.POST.get("turn"):
        return _editor(request, model, _draft(draft.plan, request.POST["turn"] == "yaml"), start=start)
    if "save" not in request.POST:
        return _editor(request, model, draft, start=start, checked=True)
    try:
        made = services.plan_save(
            actor=actor, model=model, document=plan_document(draft.plan), note=request.POST.get("note", "")
        )
    except RefusedError as refused:
        return _editor(request, model, draft, start=start, refused=refused, checked=True, status=refused.status)
    messages.success(request, f"Plan {made.number} is in force; a rollout under way keeps the one that it began with.")
    return redirect("rollout_plan", name=model.name)


@require_POST
def rollout_plan_take_back(request: HttpRequest, name: str) -> HttpResponse:
    """Take the model's own plan back; its tier's holds from then on."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    services.plan_save(actor=actor, model=model, document=None, note=request.POST.get("note", ""))
    messages.success(request, f"The plan of {model.name} is taken back; the installation's holds.")
    return redirect("rollout_plan", name=model.name)


@require_POST
def rollout_plan_expected(request: HttpRequest, name: str) -> HttpResponse:
    """Say what the plan being edited is expected to take; writes nothing."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    actor.require(model.team, *PLANNERS)
    draft = _typed(request, request.GET.get("as") == "yaml")
    context = {"model": model, "fault": draft.fault, **(_expected(model, draft.plan) if draft.plan else {})}
    return render(request, "rollouts/plan.html#expected", context | {"plan": draft.plan})


def shown_plan(request: HttpRequest, model: RegisteredModel) -> RolloutPlan:
    """Return the plan that ``?number=`` names, or the one in force; 404 where there is no such number."""
    return _asked(request, model) or selectors.plan_in_force(model)


def typed_plan(request: HttpRequest) -> Plan | None:
    """Return the plan that the editor sent, if it is sound.

    Raises:
        PlanTextError: the text is not.
    """
    draft = _typed(request, request.GET.get("as") == "yaml")
    if draft.fault:
        raise draft.fault
    return draft.plan


def _asked(request: HttpRequest, model: RegisteredModel) -> RolloutPlan | None:
    number = request.GET.get("number", "")
    if not number:
        return None
    found = (
        model.rollout_plans.filter(number=number).first()
        if number.isascii() and number.isdigit() and len(number) < 10
        else None
    )
    if found is None:
        raise Http404
    return found


def _expected(model: RegisteredModel, plan: Plan) -> dict[str, Any]:
    recorded = recorded_rates(model, plan, now=timezone.now())
    found = expectations(plan, recorded)
    told = {row.guard.name for row in found}
    return {
        "recorded": recorded,
        "expected": [
            {"of": row, "cells": [{"of": cell, "title": show_share(cell.weight_bp)} for cell in row.cells]}
            for row in found
        ],
        "unrealistic": [row for row in found if row.measured and row.guard.decides and row.unrealistic],
        "uncounted": [guard for guard in plan.guardrails if guard.name not in told],
    }


def _in_words(plan: Plan) -> dict[str, Any]:
    shares = alphas(plan)
    return {
        "steps": [{"of": step, "title": show_share(step.weight_bp)} for step in plan.steps],
        "guards": [
            {
                "guard": guard,
                "kind": KINDS[guard.kind],
                "about": about(guard),
                "allowed": allowed(guard),
                "alpha": shares[guard.name],
            }
            for guard in plan.guardrails
        ],
        "freezes": [{"reason": freeze.reason, "when": _when(freeze)} for freeze in plan.freezes],
    }


def _when(freeze: Freeze) -> str:
    if freeze.starts_at:
        return f"once, from {freeze.starts_at} to {freeze.ends_at}"
    days = ", ".join(WEEKDAYS[day] for day in freeze.days)
    return f"every {days} from {freeze.from_time} to {freeze.to_time}, {freeze.time_zone}"


def _draft(plan: Plan, as_yaml: bool) -> Draft:
    if as_yaml:
        return Draft(True, plan, text=plan_to_yaml(plan))
    return Draft(False, plan, PlanForms(plan))


def _typed(request: HttpRequest, as_yaml: bool) -> Draft:
    """Return the plan as it was typed."""
    if as_yaml:
        text = request.POST.get("text", "").replace("\r\n", "\n")
        try:
            return Draft(True, plan_from_yaml(text), text=text)
        except PlanTextError as fault:
            return Draft(True, text=text, fault=fault)
    forms = PlanForms(data=_with_one_more(request.POST))
    return Draft(False, forms.plan if forms.is_valid() else None, forms)


def _with_one_more(data: QueryDict) -> QueryDict:
    """Return the form as it was sent, with one more row of the kind that was asked for."""
    name = data.get("add", "")
    if name not in ROWS:
        return data
    more = data.copy()
    total = more.get(f"{name}-TOTAL_FORMS", "0")
    count = int(total) if total.isascii() and total.isdigit() and len(total) < 3 else 0
    more[f"{name}-TOTAL_FORMS"] = str(count + 1)
    for field, value in EMPTY[name].items():
        more[f"{name}-{count}-{field}"] = value
    return more


def _editor(
    request: HttpRequest, model: RegisteredModel, draft: Draft, *, start: RolloutPlan, refused: RefusedError | None = None,
    checked: bool = False, quiet: bool = False, status: int = 200,
) -> HttpResponse:  # fmt: skip
    context = {
        "model": model,
        "draft": draft,
        "start": start,
        "quiet": quiet,
        "checked": checked,
        "refused": refused,
        "note": request.POST.get("note", ""),
        "parts": [PARTS[name] | {"name": name, "rows": rows} for name, rows in draft.forms.rows.items()]
        if draft.forms
        else [],
        "numbered": list(enumerate(draft.text.splitlines(), 1)) if draft.fault else [],
        "plan": draft.plan,
        **(_expected(model, draft.plan) if draft.plan and not quiet else {}),
    }
    return render(request, "rollouts/plan_edit.html", context, status=status)


def _history(versions: list[RolloutPlan]) -> list[dict[str, Any]]:
    """Return every version, newest first, with the lines of its YAML that changed."""
    texts = [plan_to_yaml(row.plan) if row.document is not None else "" for row in versions]
    return [
        {"version": row, "changes": _changes(texts[i + 1], texts[i]) if i + 1 < len(texts) else []}
        for i, row in enumerate(versions)
    ]


def _changes(before: str, after: str) -> list[tuple[str, str]]:
    lines = list(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]
    return [(line[:1], line[1:]) for line in lines if not line.startswith("@@")]


@require_http_methods(["GET", "POST"])
def promotion_plan(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the plan for one promotion alone, as YAML; who asked for it brings it before the first approval."""
    actor = actor_of(request)
    promotion = visible_promotion(actor, pk)
    held = selectors.plan_for(promotion)
    text = request.POST.get("text", "").replace("\r\n", "\n") if request.method == "POST" else plan_to_yaml(held.plan)
    context: dict[str, Any] = {
        "promotion": promotion,
        "model": promotion.model,
        "held": held,
        "text": text,
        "note": request.POST.get("note", ""),
        "may_bring": may_bring_plan(actor, promotion),
    }
    if request.method == "GET":
        return render(request, "rollouts/promotion_plan.html", context)
    try:
        services.promotion_plan_save(
            actor=actor, promotion=promotion, document=plan_document(plan_from_yaml(text)), note=context["note"]
        )
    except PlanTextError as fault:
        return render(request, "rollouts/promotion_plan.html", context | {"fault": fault}, status=422)
    except RefusedError as refused:
        return render(request, "rollouts/promotion_plan.html", context | {"refused": refused}, status=refused.status)
    messages.success(request, "This promotion goes by its own plan; approvers decide on both.")
    return redirect("promotion", pk=pk)
