"""How a freshly trained model does on the validation rows, by its task: what is shown of a run before its version is evaluated.

Values are without intervals: the rows were used to stop or tune, so they flatter. What decides is the evaluation on held-out rows.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments import metrics
from experiments.metrics import Floats
from experiments.metrics.ranking import per_query
from experiments.pipelines.contract import Trained, TrainingRows

ALERTS = 0.05


@dataclass(frozen=True)
class Validated:
    """Metrics by name, and points of curves."""

    metrics: dict[str, float]
    curves: dict[str, Any] = field(default_factory=dict)


def validated(task: str, rows: TrainingRows, trained: Trained) -> Validated:
    """Return how ``trained`` does on the validation rows; what forecasts or is searched is measured by its own pipeline."""
    if task == "forecasting" or trained.method == "search":
        return Validated({})
    scores, truth = trained.scores(rows.validation), rows.validation_labels.to_numpy()
    if task == "ranking":
        return _order(rows, truth, scores)
    if task == "regression":
        return _numbers(truth.astype(np.float64), scores)
    return _classes(truth, scores, calibrated=task == "classification")


def _classes(truth: metrics.Ints, scores: Floats, *, calibrated: bool) -> Validated:
    ranking = metrics.ranked(truth, scores)
    found = {
        "validation_average_precision": metrics.average_precision(ranking),
        "validation_roc_auc": metrics.roc_auc(truth, scores).value,
        "validation_recall_at_5pct_alerts": metrics.recall_at(ranking, ALERTS),
    }
    curves: dict[str, Any] = {
        "precision_recall": metrics.precision_recall_curve(ranking), "roc": metrics.roc_curve(ranking),
    }  # fmt: skip
    if calibrated:  # an anomaly score is no probability
        bins = metrics.reliability(scores)
        found |= {
            "validation_brier_score": metrics.brier_score(truth, scores),
            "validation_calibration_error": metrics.calibration_error(truth, scores, bins),
        }
        curves["reliability"] = metrics.reliability_table(truth, scores, bins)
    return Validated(found, curves)


def _order(rows: TrainingRows, truth: metrics.Ints, scores: Floats) -> Validated:
    found = per_query(rows.validation_context[rows.roles["query"]], truth, scores)
    return Validated({f"validation_{name}": float(np.mean(values)) for name, values in found.values.items()})


def _numbers(truth: Floats, scores: Floats) -> Validated:
    error = scores - truth
    return Validated({
        "validation_mean_absolute_error": float(np.abs(error).mean()),
        "validation_root_mean_squared_error": float(np.sqrt((error**2).mean())),
    })  # fmt: skip
