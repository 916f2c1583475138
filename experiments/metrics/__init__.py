"""What models are measured by. Pure arithmetic: arrays in, numbers out; docs/metrics.md defines each."""

from experiments.metrics.arrays import Z_95, Floats, Interval, Ints
from experiments.metrics.calibration import Reliability, brier_score, calibration_error, reliability, reliability_table
from experiments.metrics.classification import (
    Ranked,
    Steps,
    average_precision,
    midranks,
    precision_at,
    precision_recall_curve,
    ranked,
    recall_at,
    roc_auc,
    roc_auc_difference,
    roc_curve,
    steps,
    threshold_at,
    threshold_at_false_positive_rate,
    threshold_at_precision,
)
from experiments.metrics.proportions import share_difference, share_ratio, wilson_interval

__all__ = [
    "Z_95",
    "Floats",
    "Interval",
    "Ints",
    "Ranked",
    "Reliability",
    "Steps",
    "average_precision",
    "brier_score",
    "calibration_error",
    "midranks",
    "precision_at",
    "precision_recall_curve",
    "ranked",
    "recall_at",
    "reliability",
    "reliability_table",
    "roc_auc",
    "roc_auc_difference",
    "roc_curve",
    "share_difference",
    "share_ratio",
    "steps",
    "threshold_at",
    "threshold_at_false_positive_rate",
    "threshold_at_precision",
    "wilson_interval",
]  # fmt: skip
