"""Gradient-boosted trees for numbers."""

import lightgbm
from sklearn.pipeline import Pipeline

from experiments.pipelines.catalogue import RegressedParams
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
    model.fit(
        codes.transform(rows.train), rows.train_labels,
        eval_X=codes.transform(rows.validation), eval_y=rows.validation_labels, eval_metric=metric,
        categorical_feature=list(categories),
        callbacks=[
            lightgbm.early_stopping(params.patience, first_metric_only=True, verbose=False),
            reporter(report, params.trees, metric, title),
        ],
    )  # fmt: skip
    booster = with_words(model.booster_, categories, model.best_iteration_)
    pipeline = Pipeline([("codes", codes), ("model", model)])
    return Trained(pipeline, booster, gains_of(booster), {"trees": float(model.best_iteration_)}, method="predict")
