"""Logistic regression: the fair, plain model that every other one has to beat."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from experiments.pipelines.choices import BaselineParams
from experiments.pipelines.contract import Report, Trained, TrainingRows, shares


def train(rows: TrainingRows, params: BaselineParams, report: Report) -> Trained:
    """Fit on the training rows alone; the validation rows are not needed to stop."""
    report.progress(0.1, "Fitting logistic regression")
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=params.rare_below)
    columns = ColumnTransformer([("numeric", numeric, rows.numeric), ("categories", categories, rows.categorical)])
    weights = None if params.positive_weight == 1 else {0: 1.0, 1: params.positive_weight}
    model = LogisticRegression(C=params.inverse_penalty, max_iter=params.max_iterations, class_weight=weights)
    pipeline = Pipeline([("columns", columns), ("model", model)])
    pipeline.fit(rows.train, rows.train_labels)
    report.progress(1.0, "Fitted")
    return Trained(pipeline, None, _importance(pipeline, rows), {"iterations": float(model.n_iter_[0])})


def _importance(pipeline: Pipeline, rows: TrainingRows) -> dict[str, float]:
    """Return each feature's share of how far the score varies: the spread of its terms over the training rows."""
    columns, model = pipeline["columns"], pipeline["model"]
    encoded = columns.transform(rows.train)
    names, found = columns.get_feature_names_out(), dict.fromkeys(rows.train.columns, 0.0)
    squares = np.asarray(
        encoded.multiply(encoded).mean(axis=0) if hasattr(encoded, "multiply") else (encoded**2).mean(0)
    )
    means = np.asarray(encoded.mean(axis=0))
    spread = np.abs(model.coef_[0]) * np.sqrt(np.maximum(squares.ravel() - means.ravel() ** 2, 0))
    longest_first = sorted(found, key=len, reverse=True)
    for name, weight in zip(names, spread, strict=True):
        bare = name.split("__", 1)[1].removeprefix("missingindicator_")
        found[next(feature for feature in longest_first if bare.startswith(feature))] += float(weight)
    return shares(found)
