"""LambdaMART: trees that learn an order within each query rather than a value for each row."""

from typing import NamedTuple

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from experiments.metrics.ranking import per_query
from experiments.pipelines.choices import RankedParams
from experiments.pipelines.contract import Report, Trained, TrainingRows
from experiments.pipelines.encoding import categories_of, encoder, gains_of, reporter, settings_of, with_words

MOST_GRADE = 30  # LightGBM's gains are 2^grade - 1


def train(rows: TrainingRows, params: RankedParams, report: Report) -> Trained:
    """Fit with early stopping by nDCG at 10 on the validation queries; the same seed gives the same trees.

    Raises: ValueError: a grade is no whole number from 0 to 30.
    """
    report.progress(0.0, "Sorting rows by query")
    query = rows.roles["query"]
    learn, validate = _by_query(rows.train_context[query]), _by_query(rows.validation_context[query])
    for labels in (rows.train_labels, rows.validation_labels):
        if not np.isin(labels.unique(), np.arange(MOST_GRADE + 1)).all():
            raise ValueError(f"grades are whole numbers from 0 to {MOST_GRADE}")
    categories = categories_of(rows)
    codes = encoder(categories, rows.numeric).fit(rows.train)
    model = lightgbm.LGBMRanker(**settings_of(params), lambdarank_truncation_level=params.depth)
    features, grades = codes.transform(rows.train.iloc[learn.order]), rows.train_labels.iloc[learn.order]
    seen, truth = codes.transform(rows.validation.iloc[validate.order]), rows.validation_labels.iloc[validate.order]
    if rows.cluster:
        from experiments.pipelines.distributed import Stop, fitted

        names = np.repeat(np.arange(len(validate.sizes)), validate.sizes)
        stop = Stop(
            "ndcg_at_10", seen, lambda raw: float(per_query(names, truth, raw).values["ndcg_exp_at_10"].mean()), params.patience,
            higher=True,
        )  # fmt: skip
        model = fitted(
            rows.cluster, model, features, grades, stop, report, categorical=list(categories), groups=learn.sizes
        )
    else:
        model.fit(
            features, grades, group=learn.sizes, eval_X=seen, eval_y=truth, eval_group=[validate.sizes], eval_at=[10],
            categorical_feature=list(categories),
            callbacks=[
                lightgbm.early_stopping(params.patience, first_metric_only=True, verbose=False),
                reporter(report, params.trees, "ndcg@10", "nDCG at 10"),
            ],
        )  # fmt: skip
    booster = with_words(model.booster_, categories, model.best_iteration_)
    pipeline = Pipeline([("codes", codes), ("model", model)])
    return Trained(
        pipeline, booster, gains_of(booster), {"trees": float(model.best_iteration_), "queries": float(len(learn.sizes))},
        method="predict",
    )  # fmt: skip


class _Sorted(NamedTuple):
    order: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def _by_query(queries: "pd.Series[str]") -> _Sorted:
    """Return the order that brings the rows of each query together, and how many each query has."""
    codes = pd.factorize(queries)[0]
    return _Sorted(np.argsort(codes, kind="stable"), np.bincount(codes))
