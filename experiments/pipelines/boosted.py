"""Gradient-boosted trees with LightGBM's own handling of categories and missing values, for yes or no."""

import lightgbm
from sklearn.metrics import average_precision_score
from sklearn.pipeline import Pipeline

from experiments.pipelines.choices import BoostedParams
from experiments.pipelines.contract import Report, Trained, TrainingRows
from experiments.pipelines.encoding import categories_of, encoder, gains_of, reporter, settings_of, with_words


def train(rows: TrainingRows, params: BoostedParams, report: Report) -> Trained:
    """Fit with early stopping by average precision on the validation rows; the same seed gives the same trees."""
    report.progress(0.0, "Encoding categories")
    categories = categories_of(rows)
    codes = encoder(categories, rows.numeric).fit(rows.train)
    model = lightgbm.LGBMClassifier(**settings_of(params), scale_pos_weight=params.positive_weight, metric="None")
    learn, validate, truth = codes.transform(rows.train), codes.transform(rows.validation), rows.validation_labels
    if rows.cluster:
        from experiments.pipelines.distributed import Stop, fitted

        stop = Stop(
            "average_precision", validate, lambda raw: average_precision_score(truth, raw), params.patience, higher=True
        )
        model = fitted(rows.cluster, model, learn, rows.train_labels, stop, report, categorical=list(categories))
    else:
        model.fit(
            learn, rows.train_labels, eval_X=validate, eval_y=truth,
            eval_metric=["average_precision", "binary_logloss"], categorical_feature=list(categories),
            callbacks=[
                lightgbm.early_stopping(params.patience, first_metric_only=True, verbose=False),
                reporter(report, params.trees, "average_precision", "average precision"),
            ],
        )  # fmt: skip
    booster = with_words(model.booster_, categories, model.best_iteration_)
    pipeline = Pipeline([("codes", codes), ("model", model)])
    return Trained(pipeline, booster, gains_of(booster), {"trees": float(model.best_iteration_)})
