"""A rollout's plan: which phases and steps, what is watched meanwhile, and what happens then. Pure: no ORM, clock or settings."""

from typing import Any

import msgspec

from rollouts.plans.checks import check_plan
from rollouts.plans.parts import Freeze, Guardrail, Plan, PlanError, Shadow, Step

__all__ = ["Freeze", "Guardrail", "Plan", "PlanError", "Shadow", "Step", "check_plan", "plan_document", "read_plan"]


def read_plan(document: Any) -> Plan:
    """Return the plan that a document of plain values holds.

    Raises:
        PlanError: a value is missing, unknown, of another type or contradicts another one.
    """
    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        raise PlanError(where.rstrip("`").lstrip(".") or "plan", message) from None
    check_plan(plan)
    return plan


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values, as it is kept."""
    document: dict[str, Any] = msgspec.to_builtins(plan)
    return document
