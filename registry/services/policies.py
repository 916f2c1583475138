"""Policies: each change is a new numbered version, set by an admin, and never weaker than the installation's."""

from collections.abc import Mapping
from typing import Any

from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import PromotionPolicy, Role, Team
from registry.policies import LABELS, NAMES, Policy, in_words, weaker_than

DECIDERS = (Role.APPROVER, Role.PRODUCT)
LIMITS = {
    "rollback_review_hours": (1, 720),
    "max_evidence_days": (1, 3650),
    "fresh_login_minutes": (1, 1440),
    "max_waiver_days": (1, 365),
    "revalidation_days": (1, 3650),
}
SWITCHES = ("block_overdue", "rollout_required")
OPTIONAL = ("min_budget", "max_evidence_days", "fresh_login_minutes")


@audited()
def policy_change(
    *, actor: Actor, team: Team, risk_tier: int, changes: Mapping[str, Any], reason: str
) -> PromotionPolicy:
    """Put the next number of a team's policy for one tier in force; rules that are left out stay as they are.

    Raises:
        RoleError: the actor is no admin of the team.
        InvalidError: no reason, an unknown rule or value, or less than the installation asks for; names the field.
        ConflictError: nothing would change.
    """
    actor.require(team, Role.ADMIN)
    team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)  # two changes at once take two numbers
    if risk_tier not in selectors.TIERS:
        raise InvalidError("risk_tier must be 1 (highest risk), 2 or 3.", field="risk_tier")
    floor, own = selectors.policies_in_force(team, risk_tier)
    before = selectors.policy_of(team, risk_tier)
    after = policy_checked(before, changes)
    if not reason.strip():
        raise InvalidError("A change of policy needs a reason, which stays with it.", field="reason")
    for name in weaker_than(floor.rules, after):
        raise InvalidError(
            f"{LABELS[name]}: the installation asks for {in_words(name, getattr(floor.rules, name))}, and a team may "
            "only be stricter. Who runs the installation can change it.",
            field=name,
        )
    if after == before:
        raise ConflictError("This is what holds already.")
    number = own.number + 1 if own else 1
    policy = PromotionPolicy.objects.create(
        team=team, risk_tier=risk_tier, number=number, changed_by=actor.user, reason=reason.strip(), **after.as_json()
    )
    audit(
        action="policy.change", subject="/settings/policies/", actor=actor, team=team.slug,
        payload={"tier": risk_tier, "number": number, "reason": policy.reason, **policy_difference(before, after)},
    )  # fmt: skip
    return policy


@audited()
def policy_default(*, risk_tier: int, changes: Mapping[str, Any], reason: str, process: str) -> PromotionPolicy:
    """Put the next number of the installation's policy for one tier in force; teams' own may be stricter, never weaker.

    Only the schema's owner does this, at a shell: it may weaken the rules of every team.

    Raises:
        InvalidError: no reason, or an unknown rule or value; names the field.
        ConflictError: nothing would change.
    """
    latest = PromotionPolicy.objects.filter(team__isnull=True, risk_tier=risk_tier).order_by("-number")[0]
    after = policy_checked(latest.rules, changes)
    if not reason.strip():
        raise InvalidError("A change of policy needs a reason, which stays with it.", field="reason")
    if after == latest.rules:
        raise ConflictError("This is what holds already.")
    policy = PromotionPolicy.objects.create(
        risk_tier=risk_tier, number=latest.number + 1, reason=reason.strip(), **after.as_json()
    )
    audit(
        action="policy.default", subject="/settings/policies/", actor=None, process=process,
        payload={"tier": risk_tier, "number": policy.number, "reason": policy.reason,
                 **policy_difference(latest.rules, after)},
    )  # fmt: skip
    return policy


def policy_difference(before: Policy, after: Policy) -> dict[str, dict[str, Any]]:
    """Return the rules that differ, before and after."""
    old, new = before.as_json(), after.as_json()
    changed = [name for name in NAMES if old[name] != new[name]]
    return {"before": {name: old[name] for name in changed}, "after": {name: new[name] for name in changed}}


def policy_checked(before: Policy, changes: Mapping[str, Any]) -> Policy:
    """Return ``before`` with ``changes`` made to it.

    Raises:
        InvalidError: a rule is unknown or its value not acceptable; names the field.
    """
    for name in changes:
        if name not in NAMES:
            raise InvalidError(f"A policy has no rule {name}; it has {', '.join(NAMES)}.", field=name)
    after = before.as_json() | dict(changes)
    _check_required(after["required"])
    after["required"] = {role: count for role, count in after["required"].items() if count}
    for name, (least, most) in LIMITS.items():
        value = after[name]
        if value is None and name in OPTIONAL:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidError(f"{name} must be a whole number from {least} to {most}.", field=name)
    share = after["min_budget"]
    if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1):
        raise InvalidError("min_budget must be a share from 0 to below 1, such as 0.1.", field="min_budget")
    for name in SWITCHES:
        if not isinstance(after[name], bool):
            raise InvalidError(f"{name} must be true or false.", field=name)
    return Policy(**after)


def _check_required(required: Any) -> None:
    if not isinstance(required, Mapping) or set(required) - set(DECIDERS):
        raise InvalidError("required names approver and product, each with a number.", field="required")
    for role, count in required.items():
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 5:
            raise InvalidError(f"required: {role} must be a whole number from 0 to 5.", field="required")
    if required.get(Role.APPROVER, 0) < 1:
        raise InvalidError("required: at least one approver decides.", field="required")
