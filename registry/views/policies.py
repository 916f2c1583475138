"""The policies of a team: what holds for each tier, how it came to be, and changing it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from registry import selectors, services
from registry.access import actor_of
from registry.errors import InvalidError, RefusedError
from registry.forms.policies import PolicyForm
from registry.models import PromotionPolicy, Role, Team
from registry.policies import LABELS, NAMES, in_words


@dataclass(frozen=True)
class Change:
    """One rule of a new version beside what it was before."""

    label: str
    before: str
    after: str


@require_http_methods(["GET", "POST"])
def policies(request: HttpRequest) -> HttpResponse:
    """Show one team's policies; an admin of it changes one tier at a time."""
    actor = actor_of(request)
    teams = list(actor.teams().order_by("name"))
    if not teams:
        raise Http404
    asked = request.POST.get("team") or request.GET.get("team")
    team = get_object_or_404(actor.teams(), slug=asked) if asked else teams[0]
    tier = int(request.POST.get("risk_tier", "0")) if request.POST.get("risk_tier") in ("1", "2", "3") else 0
    forms = {
        n: PolicyForm(initial=PolicyForm.values(selectors.policy_of(team, n)), prefix=f"t{n}") for n in selectors.TIERS
    }
    if request.method == "POST":
        actor.require(team, Role.ADMIN)
        if not tier:
            raise InvalidError("risk_tier must be 1, 2 or 3.", field="risk_tier")
        forms[tier] = form = PolicyForm(request.POST, prefix=f"t{tier}")
        if form.is_valid():
            try:
                made = services.policy_change(
                    actor=actor, team=team, risk_tier=tier, changes=form.rules(), reason=form.cleaned_data["reason"]
                )
            except RefusedError as refused:
                field = getattr(refused, "field", "")
                form.add_error(field if field in form.fields else None, str(refused))
            else:
                messages.success(request, f"Policy {made.number} of tier {tier} is in force for {team.name}.")
                return redirect(f"{reverse('policies')}?team={team.slug}")
    context = {
        "team": team,
        "teams": teams,
        "rows": _rows(team),
        "forms": forms,
        "tier": tier,
        "history": _history(team),
        "may_change": actor.role_in(team) == Role.ADMIN,
    }
    return render(request, "registry/policies.html", context, status=422 if request.method == "POST" else 200)


def _rows(team: Team) -> list[dict[str, Any]]:
    """Return each rule with its value in every tier, and whether the team's own is stricter than the installation's."""
    held = {tier: selectors.policy_of(team, tier) for tier in selectors.TIERS}
    floors = {tier: selectors.policies_in_force(team, tier)[0].rules for tier in selectors.TIERS}
    return [
        {
            "label": LABELS[name],
            "cells": [
                {
                    "tier": tier,
                    "text": in_words(name, getattr(held[tier], name)),
                    "own": getattr(held[tier], name) != getattr(floors[tier], name),
                    "floor": in_words(name, getattr(floors[tier], name)),
                }
                for tier in selectors.TIERS
            ],
        }
        for name in NAMES
    ]


def _history(team: Team) -> list[dict[str, Any]]:
    """Return every version that concerns the team, newest first, with what it changed."""
    rows = PromotionPolicy.objects.filter(Q(team=team) | Q(team__isnull=True)).select_related("changed_by")
    found = []
    for owner in (None, team.pk):
        for tier in selectors.TIERS:
            versions = [row for row in rows if (row.team_id, row.risk_tier) == (owner, tier)]  # newest first
            before = _floor_before(versions, rows) if owner and versions else None
            found += [
                {"policy": new, "changes": _changes(old, new)} for new, old in pairwise([*versions, before]) if new
            ]
    return sorted(found, key=lambda entry: entry["policy"].pk, reverse=True)


def _floor_before(versions: list[PromotionPolicy], rows: Iterable[PromotionPolicy]) -> PromotionPolicy | None:
    """Return the installation's policy that held when a team first set one of its own."""
    first = versions[-1]
    floors = [r for r in rows if r.team_id is None and r.risk_tier == first.risk_tier and r.pk < first.pk]
    return max(floors, key=lambda row: row.number, default=None)


def _changes(old: PromotionPolicy | None, new: PromotionPolicy) -> list[Change]:
    if old is None:
        return []
    return [
        Change(LABELS[name], in_words(name, getattr(old, name)), in_words(name, getattr(new, name)))
        for name in NAMES
        if getattr(old, name) != getattr(new, name)
    ]
