"""The plan of a model's rollouts: the one in force, what it is expected to take, and its history."""

from difflib import unified_diff
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from registry.access import actor_of
from registry.models import RegisteredModel
from registry.selectors import policy_for
from registry.views.models import visible_model
from rollouts import selectors, services
from rollouts.forms import KINDS
from rollouts.judging import alphas
from rollouts.models import RolloutPlan
from rollouts.plans.expected import expectations
from rollouts.plans.plan import Freeze, Plan
from rollouts.plans.text import plan_to_yaml
from rollouts.plans.units import WEEKDAYS, show_share
from rollouts.recordings import recorded_rates
from rollouts.screen.drawing import about, allowed

PLANNERS = services.PLANNERS


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
        **(expected_of(model, plan) if plan else {}),
    }
    return render(request, "rollouts/plan.html", context)


@require_POST
def rollout_plan_take_back(request: HttpRequest, name: str) -> HttpResponse:
    """Take the model's own plan back; its tier's holds from then on."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    services.plan_save(actor=actor, model=model, document=None, note=request.POST.get("note", ""))
    messages.success(request, f"The plan of {model.name} is taken back; the installation's holds.")
    return redirect("rollout_plan", name=model.name)


def shown_plan(request: HttpRequest, model: RegisteredModel) -> RolloutPlan:
    """Return the plan that ``?number=`` names, or the one in force; 404 where there is no such number."""
    return asked_plan(request, model) or selectors.plan_in_force(model)


def asked_plan(request: HttpRequest, model: RegisteredModel) -> RolloutPlan | None:
    """Return the plan that ``?number=`` names; None where none is named, 404 where there is no such number."""
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


def expected_of(model: RegisteredModel, plan: Plan) -> dict[str, Any]:
    """Return what a plan is expected to take of a model's traffic, for the page."""
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
