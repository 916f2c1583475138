"""Every write of rollouts: one action, one function, one transaction, one audit event."""

from rollouts.services.people import (
    CHOICES,
    rollout_abort,
    rollout_advance,
    rollout_decide,
    rollout_pause,
    rollout_resume,
)
from rollouts.services.plans import PLANNERS, plan_checked, plan_save, promotion_plan_save
from rollouts.services.reconciling import reconcile_all, rollout_reconcile
from rollouts.services.starting import rollout_start

__all__ = [
    "CHOICES",
    "PLANNERS",
    "plan_checked",
    "plan_save",
    "promotion_plan_save",
    "reconcile_all",
    "rollout_abort",
    "rollout_advance",
    "rollout_decide",
    "rollout_pause",
    "rollout_reconcile",
    "rollout_resume",
    "rollout_start",
]
