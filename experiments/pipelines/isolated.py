"""Isolation forest: what few random cuts separate from the rest is anomalous. It learns without labels."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from experiments.pipelines.choices import IsolatedParams
from experiments.pipelines.contract import Report, Trained, TrainingRows, shares
from experiments.pipelines.encoding import THREADS

PROBED = 2_000  # validation rows by which importance is measured


def train(rows: TrainingRows, params: IsolatedParams, report: Report) -> Trained:
    """Fit on the training rows, whatever their labels; the same seed gives the same forest.

    Source: Liu, Ting and Zhou 2008.
    """
    report.progress(0.0, "Growing the forest")
    columns = ColumnTransformer([
        ("numbers", SimpleImputer(strategy="median", add_indicator=True), rows.numeric),
        ("categories", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=params.rare_below), rows.categorical),
    ])  # fmt: skip
    forest = IsolationForest(
        n_estimators=params.trees, max_samples=min(params.rows_per_tree, len(rows.train)), max_features=params.feature_share,
        random_state=params.seed, n_jobs=THREADS,
    )  # fmt: skip
    pipeline = Pipeline([("columns", columns), ("model", forest)]).fit(rows.train)
    report.progress(0.8, "Measuring what each feature changes")
    importance = _importance(pipeline, rows, params.seed)
    report.progress(1.0, "Grown")
    return Trained(pipeline, None, importance, {"trees": float(params.trees)}, method="score_samples")


def _importance(pipeline: Pipeline, rows: TrainingRows, seed: int) -> dict[str, float]:
    """Return each feature's share of how far scores move when its values are shuffled among the rows."""
    random = np.random.default_rng(seed)
    probed = rows.validation.head(PROBED)
    before, moved = pipeline.score_samples(probed), {}
    for name in probed.columns:
        mixed = probed.assign(**{name: random.permutation(probed[name].to_numpy())})
        moved[name] = float(np.abs(pipeline.score_samples(mixed) - before).mean())
    return shares(moved)
