"""What monitoring remembers: counts of predictions, objectives, drift, and what is kept of the log."""

from monitoring.models.contracts import LiveCheck, LiveContract
from monitoring.models.drift import DriftReport, DriftReportQuerySet
from monitoring.models.drift_watch import (
    DAY_S,
    MAX_DRIFT_HOURS,
    MAX_SAMPLE,
    MIN_SAMPLE,
    DriftPolicy,
    DriftWindow,
)
from monitoring.models.labels import Label
from monitoring.models.log import DEFAULT_KEEP_DAYS, MAX_KEEP_DAYS, MIN_KEEP_DAYS, STRICTNESS, LogPolicy, Treatment
from monitoring.models.quality import (
    QualityCursor,
    QualityDue,
    QualityPairs,
    QualityPolicy,
    QualityReference,
    QualityWindow,
    Span,
)
from monitoring.models.retraining import Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.models.slos import SLICES, ModelPrice, Slo, SloCount, SloQuerySet, SloSpan
from monitoring.models.telemetry import (
    CountsModel,
    FailedKey,
    FeatureHistogram,
    ShippedSegment,
    TelemetryHour,
    TelemetryWindow,
    no_latencies,
    no_scores,
)
from monitoring.models.trials import (
    Trial,
    TrialDisagreement,
    TrialHeld,
    TrialKey,
    TrialPairs,
    TrialWindow,
)

__all__ = [
    "DAY_S",
    "DEFAULT_KEEP_DAYS",
    "MAX_DRIFT_HOURS",
    "MAX_KEEP_DAYS",
    "MAX_SAMPLE",
    "MIN_KEEP_DAYS",
    "MIN_SAMPLE",
    "SLICES",
    "STRICTNESS",
    "CountsModel",
    "DriftPolicy",
    "DriftReport",
    "DriftReportQuerySet",
    "DriftWindow",
    "FailedKey",
    "FeatureHistogram",
    "Label",
    "LiveCheck",
    "LiveContract",
    "LogPolicy",
    "ModelPrice",
    "QualityCursor",
    "QualityDue",
    "QualityPairs",
    "QualityPolicy",
    "QualityReference",
    "QualityWindow",
    "Retraining",
    "RetrainingPolicy",
    "RetrainingWatch",
    "ShippedSegment",
    "Slo",
    "SloCount",
    "SloQuerySet",
    "SloSpan",
    "Span",
    "TelemetryHour",
    "TelemetryWindow",
    "Treatment",
    "Trial",
    "TrialDisagreement",
    "TrialHeld",
    "TrialKey",
    "TrialPairs",
    "TrialWindow",
    "no_latencies",
    "no_scores",
]
