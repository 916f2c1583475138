"""Gradient-boosted trees with XGBoost's own handling of categories and missing values, for yes or no."""

import json
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from experiments import metrics
from experiments.pipelines.choices import XGBoostParams
from experiments.pipelines.contract import Report, Trained, TrainingRows, shares
from experiments.pipelines.encoding import THREADS, categories_of, encoder


def train(rows: TrainingRows, params: XGBoostParams, report: Report) -> Trained:
    """Fit with early stopping by average precision on the validation rows; the same seed gives the same trees."""
    report.progress(0.0, "Encoding categories")
    categories = categories_of(rows)
    codes = encoder(categories, rows.numeric).fit(rows.train)
    model = xgboost.XGBClassifier(
        n_estimators=params.trees, learning_rate=params.learning_rate, tree_method="hist", grow_policy="lossguide",
        max_leaves=params.leaves, max_depth=0, min_child_weight=params.leaf_weight, colsample_bytree=params.feature_share,
        subsample=params.row_share, reg_lambda=params.penalty, scale_pos_weight=params.positive_weight, random_state=params.seed,
        n_jobs=THREADS, enable_categorical=True, eval_metric=["logloss", average_precision],
        callbacks=[
            _Told(report, params.trees),
            xgboost.callback.EarlyStopping(rounds=params.patience, metric_name="average_precision", maximize=True),
        ],
    )  # fmt: skip
    learn, validate = (_worded(codes, part, categories) for part in (rows.train, rows.validation))
    model.fit(learn, rows.train_labels, eval_set=[(validate, rows.validation_labels)], verbose=False)
    trees = int(model.get_booster().attr("best_iteration")) + 1
    booster = _until(model.get_booster(), trees)
    model.set_params(
        callbacks=None, eval_metric=None, n_estimators=trees
    )  # of use in training alone, and not to be saved
    model._Booster = booster  # no other way to let go of the trees after the best
    gains = booster.get_score(importance_type="total_gain")
    # Trees learned words; they are asked by codes, which XGBoost takes from an array without names.
    pipeline = Pipeline([("codes", codes.set_output(transform="default")), ("model", model)])
    importance = shares({name: float(gains.get(name, 0.0)) for name in learn.columns})
    return Trained(pipeline, booster, importance, {"trees": float(trees)})


def average_precision(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return average precision, as evaluations measure it; XGBoost's own ``aucpr`` interpolates."""
    return metrics.average_precision(metrics.ranked(truth, scores))


def _worded(codes: ColumnTransformer, rows: pd.DataFrame, categories: Mapping[str, list[str]]) -> pd.DataFrame:
    """Return the rows as the trees see them, with the words of categories, so that the booster keeps them."""
    known = {
        name: pd.Categorical(rows[name].where(rows[name].isin(words)), words) for name, words in categories.items()
    }
    return pd.DataFrame(codes.transform(rows)).assign(**known)


def _until(booster: xgboost.Booster, trees: int) -> xgboost.Booster:
    """Return the first ``trees`` trees with the words of their categories, which XGBoost forgets when it cuts."""
    whole, cut = (json.loads(one.save_raw("json")) for one in (booster, booster[:trees]))
    cut["learner"]["gradient_booster"]["model"]["cats"] = whole["learner"]["gradient_booster"]["model"]["cats"]
    return xgboost.Booster(params={"nthread": THREADS}, model_file=bytearray(json.dumps(cut).encode()))


class _Told(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # the library types it as anything
    """Tells the learning curves, and every ten trees how far the training is."""

    def __init__(self, report: Report, trees: int) -> None:
        super().__init__()
        self.report, self.trees = report, trees

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Tell the newest tree; never stops."""
        (curves,) = evals_log.values()
        for name, title in (("average_precision", "average_precision"), ("logloss", "binary_logloss")):
            self.report.metric(f"validation_{title}", float(curves[name][-1]), epoch + 1)
        if epoch % 10 == 0:
            found = curves["average_precision"][-1]
            self.report.progress(
                (epoch + 1) / self.trees, f"Tree {epoch + 1} of at most {self.trees}, average precision {found:.4f}"
            )
        return False
