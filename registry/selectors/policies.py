"""Which policy holds for a model, and how it came to be."""

from typing import Any

from django.db.models import Q

from registry.models import PromotionPolicy, RegisteredModel, Team
from registry.policies import Policy, strictest

TIERS = (1, 2, 3)


def policies_in_force(team: Team, risk_tier: int) -> tuple[PromotionPolicy, PromotionPolicy | None]:
    """Return the installation's latest policy of a tier, and the team's own, if it has one."""
    rows = (
        PromotionPolicy.objects.filter(Q(team=team) | Q(team__isnull=True), risk_tier=risk_tier)
        .order_by("team_id", "-number")
        .distinct("team_id")
    )
    by_team = {row.team_id: row for row in rows}
    return by_team[None], by_team.get(team.pk)


def policy_of(team: Team, risk_tier: int) -> Policy:
    """Return what holds for a tier in a team: of the installation's rules and the team's, the stricter one each."""
    floor, own = policies_in_force(team, risk_tier)
    return strictest(floor.rules, own.rules) if own else floor.rules


def policy_for(model: RegisteredModel) -> Policy:
    """Return the policy that holds for a model now."""
    return policy_of(model.team, model.risk_tier)


def policies_by_team(teams: list[Team]) -> dict[tuple[int, int], Policy]:
    """Return what holds, by team and tier, in one query."""
    rows = (
        PromotionPolicy.objects.filter(Q(team__in=teams) | Q(team__isnull=True))
        .order_by("team_id", "risk_tier", "-number")
        .distinct("team_id", "risk_tier")
    )
    latest = {(row.team_id, row.risk_tier): row.rules for row in rows}
    held = {}
    for team in teams:
        for tier in TIERS:
            floor, own = latest[None, tier], latest.get((team.pk, tier))
            held[team.pk, tier] = strictest(floor, own) if own else floor
    return held


def policy_snapshot(model: RegisteredModel) -> dict[str, Any]:
    """Return what is kept with a promotion: the rules, and the numbered policies that they come from."""
    floor, own = policies_in_force(model.team, model.risk_tier)
    rules = strictest(floor.rules, own.rules) if own else floor.rules
    return {
        "risk_tier": model.risk_tier, "installation": floor.number, "team": own.number if own else None,
        "rules": rules.as_json(),
    }  # fmt: skip
