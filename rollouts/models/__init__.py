"""What rollouts remembers: what was published to gateways and what they told, and how versions were rolled out."""

from rollouts.models.gateways import (
    GatewayProcess,
    GatewayToken,
    LoadRefusal,
    PublishedCallers,
    RoutingDue,
    RoutingTable,
)
from rollouts.models.plans import RolloutPlan
from rollouts.models.rollouts import Rollout, RolloutAct, RolloutVerdict

__all__ = [
    "GatewayProcess",
    "GatewayToken",
    "LoadRefusal",
    "PublishedCallers",
    "Rollout",
    "RolloutAct",
    "RolloutPlan",
    "RolloutVerdict",
    "RoutingDue",
    "RoutingTable",
]
