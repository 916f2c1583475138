"""What a risk tier asks for. Pure: no ORM, clock or settings."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Policy:
    """The rules that a promotion, a waiver, a rollback and a re-validation of one risk tier are held to.

    Attributes:
        required: approvals by role.
        rollback_review_hours: a rollback is reviewed within so long.
        min_budget: share of the error budget that must be more than left; None leaves budgets out of it.
        max_evidence_days: older evidence is stale; None never is.
        fresh_login_minutes: a decision in a session asks for a log-in no older than this; None asks for none.
        max_waiver_days: no waiver holds longer.
        revalidation_days: from one re-validation to the next.
        block_overdue: whether an overdue re-validation blocks promotions.
        rollout_required: whether a version that replaces a champion reaches callers by a rollout alone.
    """

    required: Mapping[str, int]
    rollback_review_hours: int
    min_budget: float | None
    max_evidence_days: int | None
    fresh_login_minutes: int | None
    max_waiver_days: int
    revalidation_days: int
    block_overdue: bool
    rollout_required: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the rules as they are kept and shown."""
        return asdict(self) | {"required": dict(sorted(self.required.items()))}


NAMES = tuple(field.name for field in fields(Policy))


def _most_approvals(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {role: max(a.get(role, 0), b.get(role, 0)) for role in {**a, **b}}


def _smaller(a: Any, b: Any) -> Any:
    return min((value for value in (a, b) if value is not None), default=None)


def _larger(a: Any, b: Any) -> Any:
    return max((value for value in (a, b) if value is not None), default=None)


STRICTER: dict[str, Callable[[Any, Any], Any]] = {
    "required": _most_approvals,
    "rollback_review_hours": _smaller,
    "min_budget": _larger,
    "max_evidence_days": _smaller,
    "fresh_login_minutes": _smaller,
    "max_waiver_days": _smaller,
    "revalidation_days": _smaller,
    "block_overdue": _larger,
    "rollout_required": _larger,
}


def strictest(a: Policy, b: Policy) -> Policy:
    """Return the policy that asks, rule by rule, for the stricter of two."""
    return Policy(**{name: stricter(getattr(a, name), getattr(b, name)) for name, stricter in STRICTER.items()})


def weaker_than(floor: Policy, wanted: Policy) -> list[str]:
    """Return the names of the rules in which ``wanted`` asks for less than ``floor``."""
    held = strictest(floor, wanted)
    return [name for name in NAMES if getattr(held, name) != getattr(wanted, name)]


LABELS = {
    "required": "Approvals",
    "rollback_review_hours": "Rollback reviewed within",
    "min_budget": "Error budget left",
    "max_evidence_days": "Oldest evidence",
    "fresh_login_minutes": "Log-in before a decision",
    "max_waiver_days": "Longest waiver",
    "revalidation_days": "Re-validated every",
    "block_overdue": "Overdue re-validation",
    "rollout_required": "Rollout before champion",
}


def people(role: str, count: int) -> str:
    """Return what so many people of a role are called."""
    if role == "product":
        return "product person" if count == 1 else "product people"
    return role if count == 1 else f"{role}s"


def in_words(name: str, value: Any) -> str:
    """Return one rule's value as people read it."""
    if name == "required":
        return ", ".join(f"{count} {people(role, count)}" for role, count in sorted(value.items()))
    if name == "block_overdue":
        return "blocks promotions" if value else "does not block"
    if name == "rollout_required":
        return "required" if value else "where the model has a plan"
    if value is None:
        return {"min_budget": "no gate", "max_evidence_days": "any age", "fresh_login_minutes": "of any age"}[name]
    if name == "min_budget":
        return f"more than {value * 100:g}%"
    if name == "fresh_login_minutes":
        return f"at most {value} min old"
    unit = "h" if name == "rollback_review_hours" else "days"
    return f"{value} {unit}"
