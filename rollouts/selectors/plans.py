"""Which plan holds."""

from registry.models import Promotion, RegisteredModel
from rollouts.models import RolloutPlan


def plan_in_force(model: RegisteredModel) -> RolloutPlan:
    """Return the plan of a model: its own, or the installation's for its risk tier."""
    return own_plan(model) or RolloutPlan.objects.filter(risk_tier=model.risk_tier).latest("number")


def own_plan(model: RegisteredModel) -> RolloutPlan | None:
    """Return the model's own plan, if it has one."""
    latest = RolloutPlan.objects.filter(model=model).first()
    return latest if latest and latest.document is not None else None


def plan_for(promotion: Promotion) -> RolloutPlan:
    """Return the plan that the rollout of a promotion follows: what it brought, or the model's."""
    return RolloutPlan.objects.filter(promotion=promotion).first() or plan_in_force(promotion.model)
