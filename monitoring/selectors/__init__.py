"""Reads that join tables or build a record."""

from monitoring.selectors.charges import charged
from monitoring.selectors.disagreements import disagreements, features_in_common
from monitoring.selectors.inputs import Inputs, latest_inputs
from monitoring.selectors.marks import Mark, latest_champions, marks_of
from monitoring.selectors.objectives import Labels, SloStatus, Step, slo_statuses
from monitoring.selectors.plan import monitoring_plan
from monitoring.selectors.prices import Costs
from monitoring.selectors.reference import reference_of
from monitoring.selectors.traffic import FRESH, ArmTraffic, Figures, Traffic, traffic
from monitoring.selectors.trials import (
    ArmSums,
    AtWeight,
    Exposure,
    GuardEvidence,
    PairStep,
    PairSums,
    RecordedWindow,
    TrialEvidence,
    TrialStep,
    pair_series,
    recorded,
    trial_evidence,
    trial_series,
)

__all__ = [
    "FRESH",
    "ArmSums",
    "ArmTraffic",
    "AtWeight",
    "Costs",
    "Exposure",
    "Figures",
    "GuardEvidence",
    "Inputs",
    "Labels",
    "Mark",
    "PairStep",
    "PairSums",
    "RecordedWindow",
    "SloStatus",
    "Step",
    "Traffic",
    "TrialEvidence",
    "TrialStep",
    "charged",
    "disagreements",
    "features_in_common",
    "latest_champions",
    "latest_inputs",
    "marks_of",
    "monitoring_plan",
    "pair_series",
    "recorded",
    "reference_of",
    "slo_statuses",
    "traffic",
    "trial_evidence",
    "trial_series",
]
