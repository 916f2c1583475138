"""Gradient-boosted trees for numbers."""

import lightgbm
import numpy as np
from sklearn.pipeline import Pipeline

from experiments.pipelines.choices import RegressedParams
from experiments.pipelines.contract import Report, Trained, TrainingRows
from experiments.pipelines.encoding import categories_of, encoder, gains_of, reporter, settings_of, with_words

METRICS = {"regression": ("l2", "squared error"), "regression_l1": ("l1", "absolute error")}


def train(rows: TrainingRows, params: RegressedParams, report: Report) -> Trained:
    """Fit with early stopping by the loss on the validation rows; the same seed gives the same trees."""
    report.progress(0.0, "Encoding categories")
    categories = categories_of(rows)
    codes = encoder(categories, rows.numeric).fit(rows.train)
    objective = "regression_l1" if params.robust else "regression"
    metric, title = METRICS[objective]
    model = lightgbm.LGBMRegressor(**settings_of(params), objective=objective)
    learn, validate, truth = codes.transform(rows.train), codes.transform(rows.validation), rows.validation_labels
    if rows.cluster:
        from experiments.pipelines.distributed import Stop, fitted

        loss = np.abs if params.robust else np.square
        stop = Stop(metric, validate, lambda raw: float(loss(raw - truth).mean()), params.patience, higher=False)
        model = fitted(rows.cluster, model, learn, rows.train_labels, stop, report, categorical=list(categories))
    else:
        model.fit(
            learn, rows.train_labels, eval_X=validate, eval_y=truth, eval_metric=metric,
            categorical_feature=list(categories),
            callbacks=[
                lightgbm.early_stopping(params.patience, first_metric_only=True, verbose=False),
                reporter(report, params.trees, metric, title),
            ],
        )  # fmt: skip
    booster = with_words(model.booster_, categories, model.best_iteration_)
    pipeline = Pipeline([("codes", codes), ("model", model)])
    return Trained(pipeline, booster, gains_of(booster), {"trees": float(model.best_iteration_)}, method="predict")
