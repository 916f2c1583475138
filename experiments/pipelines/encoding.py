"""What all of LightGBM's pipelines share: its parameters, categories as numbers inside the saved model, and the learning curve."""

from typing import Any

import lightgbm
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

from experiments.pipelines.choices import TreeParams
from experiments.pipelines.contract import Report, TrainingRows, shares

THREADS = 2  # fixed: the sums of floating-point numbers, and so the trees, depend on it
# The same rows, parameters and seed give the same file.
REPEATABLE = {"n_jobs": THREADS, "deterministic": True, "force_row_wise": True, "verbose": -1}


def settings_of(params: TreeParams) -> dict[str, object]:
    """Return the parameters in scikit-learn's names for LightGBM's estimators."""
    return {
        "n_estimators": params.trees, "learning_rate": params.learning_rate, "num_leaves": params.leaves,
        "min_child_samples": params.rows_per_leaf, "colsample_bytree": params.feature_share, "subsample": params.row_share,
        "subsample_freq": 1, "reg_lambda": params.penalty, "cat_smooth": params.category_smoothing, "random_state": params.seed,
        **REPEATABLE,
    }  # fmt: skip


def categories_of(rows: TrainingRows) -> dict[str, list[str]]:
    """Return the values of each category that training saw, sorted."""
    return {name: sorted(rows.train[name].dropna().unique()) for name in rows.categorical}


def encoder(categories: dict[str, list[str]], numeric: list[str]) -> ColumnTransformer:
    """Turn each category into its place in the sorted list; what training never saw counts as missing."""
    places = OrdinalEncoder(
        categories=list(categories.values()), handle_unknown="use_encoded_value", unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )  # fmt: skip
    columns = [("categories", places, list(categories)), ("numbers", "passthrough", numeric)]
    return ColumnTransformer(columns, verbose_feature_names_out=False).set_output(transform="pandas")


def with_words(booster: lightgbm.Booster, categories: dict[str, list[str]], trees: int) -> lightgbm.Booster:
    """Return a copy that also knows the categories' words, so that its text form is complete without the encoder."""
    copy = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=trees))
    copy.pandas_categorical = list(categories.values())
    return copy


def gains_of(booster: lightgbm.Booster) -> dict[str, float]:
    """Return each feature's share of the gain of all splits."""
    gains = zip(booster.feature_name(), booster.feature_importance("gain"), strict=True)
    return shares({name: float(gain) for name, gain in gains})


def reporter(report: Report, trees: int, metric: str, title: str) -> Any:
    """Return a callback that tells the learning curves, and every ten trees how far the training is.

    Args:
        metric: LightGBM's name of the one that is shown; ``title``: its name for people.
    """

    def after_each_tree(env: Any) -> None:
        found = {name: value for _, name, value, _ in env.evaluation_result_list}
        for name, value in found.items():
            report.metric(f"validation_{name.replace('@', '_at_')}", value, env.iteration + 1)
        if env.iteration % 10 == 0:
            text = f"Tree {env.iteration + 1} of at most {trees}, {title} {found[metric]:.4f}"
            report.progress((env.iteration + 1) / trees, text)

    return after_each_tree
