"""Gradient-boosted trees with LightGBM's own handling of categories and missing values."""

from typing import Any

import lightgbm
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from experiments.pipelines.catalogue import BoostedParams
from experiments.pipelines.contract import Report, Trained, TrainingRows, shares

THREADS = 2  # fixed: the sums of floating-point numbers, and so the trees, depend on it


def train(rows: TrainingRows, params: BoostedParams, report: Report) -> Trained:
    """Fit with early stopping by average precision on the validation rows; the same seed gives the same trees."""
    report.progress(0.0, "Encoding categories")
    categories = {name: sorted(rows.train[name].dropna().unique()) for name in rows.categorical}
    codes = _encoder(categories, rows.numeric).fit(rows.train)
    model = lightgbm.LGBMClassifier(
        n_estimators=params.trees, learning_rate=params.learning_rate, num_leaves=params.leaves,
        min_child_samples=params.rows_per_leaf, colsample_bytree=params.feature_share, subsample=params.row_share,
        subsample_freq=1, reg_lambda=params.penalty, cat_smooth=params.category_smoothing, random_state=params.seed,
        n_jobs=THREADS, deterministic=True, force_row_wise=True, verbose=-1, metric="None",
    )  # fmt: skip
    model.fit(
        codes.transform(rows.train), rows.train_labels,
        eval_X=codes.transform(rows.validation), eval_y=rows.validation_labels,
        eval_metric=["average_precision", "binary_logloss"], categorical_feature=list(categories),
        callbacks=[
            lightgbm.early_stopping(params.patience, first_metric_only=True, verbose=False),
            _reporter(report, params.trees),
        ],
    )  # fmt: skip
    booster = _with_words(model.booster_, categories, model.best_iteration_)
    gains = zip(booster.feature_name(), booster.feature_importance("gain"), strict=True)
    importance = shares({name: float(gain) for name, gain in gains})
    pipeline = Pipeline([("codes", codes), ("model", model)])
    return Trained(pipeline, booster, importance, {"trees": float(model.best_iteration_)})


def _encoder(categories: dict[str, list[str]], numeric: list[str]) -> ColumnTransformer:
    """Turn each category into its place in the sorted list; what training never saw counts as missing."""
    places = OrdinalEncoder(
        categories=list(categories.values()), handle_unknown="use_encoded_value", unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )  # fmt: skip
    columns = [("categories", places, list(categories)), ("numbers", "passthrough", numeric)]
    return ColumnTransformer(columns, verbose_feature_names_out=False).set_output(transform="pandas")


def _with_words(booster: lightgbm.Booster, categories: dict[str, list[str]], trees: int) -> lightgbm.Booster:
    """Return a copy that also knows the categories' words, so that its text form is complete without the encoder."""
    copy = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=trees))
    copy.pandas_categorical = list(categories.values())
    return copy


def _reporter(report: Report, trees: int) -> Any:
    def after_each_tree(env: Any) -> None:
        found = {name: value for _, name, value, _ in env.evaluation_result_list}
        for name, value in found.items():
            report.metric(f"validation_{name}", value, env.iteration + 1)
        if env.iteration % 10 == 0:
            text = f"Tree {env.iteration + 1} of at most {trees}, average precision {found['average_precision']:.4f}"
            report.progress((env.iteration + 1) / trees, text)

    return after_each_tree
