"""Reads that join tables or build a record."""

from monitoring.selectors.charges import charged
from monitoring.selectors.disagreements import disagreements, features_in_common
from monitoring.selectors.drift import Standing, drift_series, drift_standings, findings_of, latest_window
from monitoring.selectors.marks import Mark, latest_champions, marks_of
from monitoring.selectors.objectives import Labels, SloStatus, Step, slo_statuses
from monitoring.selectors.plan import monitoring_plan
from monitoring.selectors.prices import Costs
from monitoring.selectors.reference import reference_of
from monitoring.selectors.slo_proxy import DisagreementProxy, disagreement_proxies, quality_proxy
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
    "DisagreementProxy",
    "Exposure",
    "Figures",
    "GuardEvidence",
    "Labels",
    "Mark",
    "PairStep",
    "PairSums",
    "RecordedWindow",
    "SloStatus",
    "Standing",
    "Step",
    "Traffic",
    "TrialEvidence",
    "TrialStep",
    "charged",
    "disagreement_proxies",
    "disagreements",
    "drift_series",
    "drift_standings",
    "features_in_common",
    "findings_of",
    "latest_champions",
    "latest_window",
    "marks_of",
    "monitoring_plan",
    "pair_series",
    "quality_proxy",
    "recorded",
    "reference_of",
    "slo_statuses",
    "traffic",
    "trial_evidence",
    "trial_series",
]
