"""Reads that join tables or build a record."""

from rollouts.selectors.plans import own_plan, plan_for, plan_in_force
from rollouts.selectors.routing import ModelRouting, Run, model_routing, routes_of, routing_at

__all__ = ["ModelRouting", "Run", "model_routing", "own_plan", "plan_for", "plan_in_force", "routes_of", "routing_at"]
