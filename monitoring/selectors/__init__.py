"""Reads that join tables or build a record."""

from monitoring.selectors.inputs import Inputs, latest_inputs
from monitoring.selectors.objectives import SloStatus, Step, slo_statuses
from monitoring.selectors.plan import monitoring_plan
from monitoring.selectors.reference import reference_of
from monitoring.selectors.traffic import FRESH, ArmTraffic, Figures, Traffic, traffic

__all__ = [
    "FRESH",
    "ArmTraffic",
    "Figures",
    "Inputs",
    "SloStatus",
    "Step",
    "Traffic",
    "latest_inputs",
    "monitoring_plan",
    "reference_of",
    "slo_statuses",
    "traffic",
]
