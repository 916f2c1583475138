"""The editor of plans, as a form and as YAML: of a model's rollouts, or of one promotion's alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from registry.access import actor_of
from registry.errors import RefusedError
from registry.models import Promotion, RegisteredModel
from registry.views.models import visible_model
from registry.views.promotions import visible_promotion
from rollouts import selectors, services
from rollouts.forms import EMPTY, ROWS, PlanForms
from rollouts.models import RolloutPlan
from rollouts.plans.plan import Plan, plan_document
from rollouts.plans.text import PlanTextError, plan_from_yaml, plan_to_yaml
from rollouts.screen.acts import may_bring_plan
from rollouts.views.plans import PLANNERS, asked_plan, expected_of

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


@dataclass(frozen=True)
class Edited:
    """Whose plan is edited, and what the page says of it.

    Attributes:
        promotion: whose own plan it becomes; None: the model's.
        start: the plan that the editor began with.
        save: takes the document and the note, and returns what is said of it.
        done: the address to go to then, or instead.
    """

    model: RegisteredModel
    start: RolloutPlan
    action: str
    done: str
    save: Callable[[dict[str, Any], str], str]
    promotion: Promotion | None = None


@require_http_methods(["GET", "POST"])
def rollout_plan_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Edit a model's plan; saving makes the next number."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    actor.require(model.team, *PLANNERS)

    def save(document: dict[str, Any], note: str) -> str:
        made = services.plan_save(actor=actor, model=model, document=document, note=note)
        return f"Plan {made.number} is in force; a rollout under way keeps the one that it began with."

    start = asked_plan(request, model)
    if start is None or start.document is None:
        start = selectors.plan_in_force(model)
    return _edit(
        request,
        Edited(model, start, reverse("rollout_plan_edit", args=[name]), reverse("rollout_plan", args=[name]), save),
    )


@require_http_methods(["GET", "POST"])
def promotion_plan(request: HttpRequest, pk: int) -> HttpResponse:
    """Edit the plan of one promotion alone; who asked for it brings it before the first approval, others read it."""
    actor = actor_of(request)
    promotion = visible_promotion(actor, pk)
    held = selectors.plan_for(promotion)
    if request.method == "GET" and not may_bring_plan(actor, promotion):
        context = {"promotion": promotion, "model": promotion.model, "held": held, "text": plan_to_yaml(held.plan)}
        return render(request, "rollouts/promotion_plan.html", context)

    def save(document: dict[str, Any], note: str) -> str:
        services.promotion_plan_save(actor=actor, promotion=promotion, document=document, note=note)
        return "This promotion goes by its own plan; approvers decide on both."

    action = reverse("promotion_plan", args=[pk])
    return _edit(request, Edited(promotion.model, held, action, promotion.path, save, promotion))


def _edit(request: HttpRequest, edited: Edited) -> HttpResponse:
    """Show the editor; what is typed moves between form and YAML, is checked, and is saved."""
    as_yaml = request.GET.get("as") == "yaml"
    if request.method == "GET":
        return _editor(request, edited, _draft(edited.start.plan, as_yaml))
    draft = _typed(request, as_yaml)
    if "add" in request.POST:
        draft.fault = None
        return _editor(request, edited, draft, quiet=True)
    if draft.plan is None:
        return _editor(request, edited, draft, status=422)
    if request.POST.get("turn"):
        return _editor(request, edited, _draft(draft.plan, request.POST["turn"] == "yaml"))
    if "save" not in request.POST:
        return _editor(request, edited, draft, checked=True)
    try:
        said = edited.save(plan_document(draft.plan), request.POST.get("note", ""))
    except RefusedError as refused:
        return _editor(request, edited, draft, refused=refused, checked=True, status=refused.status)
    messages.success(request, said)
    return redirect(edited.done)


@require_POST
def rollout_plan_expected(request: HttpRequest, name: str) -> HttpResponse:
    """Say what the plan being edited is expected to take; writes nothing."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    actor.require(model.team, *PLANNERS)
    draft = _typed(request, request.GET.get("as") == "yaml")
    context = {"model": model, "fault": draft.fault, **(expected_of(model, draft.plan) if draft.plan else {})}
    return render(request, "rollouts/plan.html#expected", context | {"plan": draft.plan})


def typed_plan(request: HttpRequest) -> Plan | None:
    """Return the plan that the editor sent, if it is sound.

    Raises:
        PlanTextError: the text is not.
    """
    draft = _typed(request, request.GET.get("as") == "yaml")
    if draft.fault:
        raise draft.fault
    return draft.plan


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
    request: HttpRequest, edited: Edited, draft: Draft, *, refused: RefusedError | None = None,
    checked: bool = False, quiet: bool = False, status: int = 200,
) -> HttpResponse:  # fmt: skip
    context = {
        "model": edited.model,
        "edited": edited,
        "draft": draft,
        "start": edited.start,
        "quiet": quiet,
        "checked": checked,
        "refused": refused,
        "note": request.POST.get("note", ""),
        "parts": [PARTS[name] | {"name": name, "rows": rows} for name, rows in draft.forms.rows.items()]
        if draft.forms
        else [],
        "numbered": list(enumerate(draft.text.splitlines(), 1)) if draft.fault else [],
        "plan": draft.plan,
        **(expected_of(edited.model, draft.plan) if draft.plan and not quiet else {}),
    }
    return render(request, "rollouts/plan_edit.html", context, status=status)
