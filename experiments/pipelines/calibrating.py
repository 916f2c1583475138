"""Setting a classifier's probabilities right on rows that neither its training nor its early stopping saw. Pure.

These are the newest half of the validation rows: what a model says next week is closest to what was true last week. Without times
they are whole entities, or single rows, by chance. Both methods rise with the model's own score, so the order of rows stays.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from experiments import metrics
from experiments.metrics import Floats
from experiments.pipelines.contract import Trained, TrainingRows
from experiments.rows.folds import chance, in_time, instants
from serving.contract import Calibration
from serving.contract.calibration import EDGE

Method = Literal["sigmoid", "isotonic"]
LEAST = {"sigmoid": 20, "isotonic": 100}  # rows of either label that a method is fitted on


class CalibrationError(ValueError):
    """There are too few rows to calibrate on, or the model's scores do not rise with the outcome."""


@dataclass(frozen=True)
class Checked:
    """What calibrating changed: fitted on the earlier half of its rows and measured on the later, before it is fitted on both.

    Attributes:
        rows: that were measured (count).
        reliability: as :func:`experiments.metrics.reliability_table` gives it, by ``before`` and ``after``.
    """

    rows: int
    metrics: dict[str, float]
    reliability: dict[str, list[tuple[float, float, int]]]


def set_apart(rows: TrainingRows) -> tuple[TrainingRows, TrainingRows]:
    """Return the rows to train and stop by, and those to calibrate by, as the validation rows of the second."""
    stop, newest = _halves(rows)
    n = len(rows.train)
    learn = np.arange(n)
    return rows.part(learn, n + stop), rows.part(learn, n + newest)


def calibrated(trained: Trained, rows: TrainingRows, method: Method) -> tuple[Trained, Checked]:
    """Return the model whose probabilities are calibrated on the validation rows of ``rows``, and what that changed.

    Raises:
        CalibrationError: see :class:`CalibrationError`.
    """
    truth = rows.validation_labels.to_numpy(dtype=np.int64)
    least, few = LEAST[method], min(int(truth.sum()), len(truth) - int(truth.sum()))
    if few < 2 * least:
        raise CalibrationError(
            f"Calibration by {method} takes {2 * least} rows of either label among the newest half of the validation rows; "
            f"there are {few}. Choose {'sigmoid or ' if method == 'isotonic' else ''}none, or data with more validation rows."
        )
    earlier, later = _halves(rows)
    n = len(rows.train)
    rehearsed = _fitted(trained, rows.part(np.arange(n), n + earlier), method)
    checked = rows.part(np.arange(n), n + later)
    found = _checked(checked, trained.scores(checked.validation), rehearsed.scores(checked.validation))
    return _fitted(trained, rows, method), found


def _halves(rows: TrainingRows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the places of the earlier and of the later half of the validation rows; rows of one instant stay together."""
    context = rows.context.iloc[len(rows.train) :]
    times = instants(context, rows.roles)
    if times is None:
        late = chance(context, rows.roles) >= 0.5
        return np.flatnonzero(~late), np.flatnonzero(late)
    half = in_time(times, 2)
    return np.flatnonzero(half == 0), np.flatnonzero(half == 1)


def _fitted(trained: Trained, rows: TrainingRows, method: Method) -> Trained:
    """Return the model with a second step that is fitted on the probabilities of the validation rows."""
    second = _isotonic() if method == "isotonic" else _sigmoid()
    model = StackingClassifier([("model", trained.estimator)], second, cv="prefit", stack_method="predict_proba")
    model.fit(rows.validation, rows.validation_labels)
    if method == "isotonic":
        curve = model.final_estimator_.calibrated_classifiers_[0].calibrators[0]
        scores, shares = curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist()
        return replace(trained, estimator=model, calibration=Calibration("isotonic", scores=scores, shares=shares))
    scale = model.final_estimator_["scale"]
    slope, shift = float(scale.coef_[0, 0]), float(scale.intercept_[0])
    if slope <= 0:
        raise CalibrationError(
            "The model's scores do not rise with the outcome on the newest rows; there is nothing to calibrate."
        )
    return replace(trained, estimator=model, calibration=Calibration("sigmoid", slope, shift))


def _sigmoid() -> Pipeline:
    """Return Platt's sigmoid, of log-odds: scikit-learn's own bends probabilities, and so could never leave them as they are."""
    inside = FunctionTransformer(np.clip, kw_args={"a_min": EDGE, "a_max": 1 - EDGE, "dtype": "float64"})
    return Pipeline(
        [("inside", inside), ("log_odds", FunctionTransformer(logit)), ("scale", LogisticRegression(C=np.inf))]
    )


def _isotonic() -> CalibratedClassifierCV:
    """Return the isotonic regression of outcomes on probabilities, as a classifier: its first step hands on what it is given."""
    same = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    same.coef_, same.intercept_ = np.ones((1, 1)), np.zeros(1)
    return CalibratedClassifierCV(FrozenEstimator(same), method="isotonic")


def _checked(rows: TrainingRows, before: Floats, after: Floats) -> Checked:
    truth = rows.validation_labels.to_numpy(dtype=np.int64)
    found: dict[str, float] = {}
    tables: dict[str, Any] = {}
    for name, scores in (("before", before), ("after", after)):
        bins = metrics.reliability(scores)
        found[f"calibration_error_{name}"] = metrics.calibration_error(truth, scores, bins)
        found[f"brier_score_{name}"] = metrics.brier_score(truth, scores)
        tables[name] = metrics.reliability_table(truth, scores, bins)
    return Checked(len(truth), found, tables)


def method_of(params: Any) -> Method | None:
    """Return how a pipeline's parameters ask for calibration; None where they do not."""
    chosen = getattr(params, "calibration", "none")
    return None if chosen == "none" else cast("Method", chosen)
