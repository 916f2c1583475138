"""Predicting with a registered version, after its files were found to be those that were registered."""

import hashlib
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import skops.io

from experiments.flavor import TRUSTED
from experiments.metrics import Floats
from registry.models import ArtifactState, ModelVersion
from registry.selectors import signature_of
from registry.staging import stage
from serving.contract import File, manifest_digest, model_file


class ScoringError(Exception):
    """The version cannot be used on these rows; the message says why."""


def predict(version: ModelVersion, rows: pd.DataFrame) -> Floats:
    """Return the probability of the positive class for each of ``rows``, (n,).

    The file that is read is hashed and then loaded from memory, so nothing can change in between. Only the formats that
    a gateway loads are accepted, and from skops only a fixed list of types.

    Raises:
        ScoringError: the version is not verified, its files changed, or the rows lack a column that it takes.
    """
    columns = version.signature.get("inputs", [])
    names = [column["name"] for column in columns]
    if missing := [name for name in names if name not in rows]:
        raise ScoringError(f"{version} takes {', '.join(missing)}, which the data set does not have.")
    return _READERS[version.format](_model_file(version), rows[names], columns)


def _lightgbm(content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    booster = lightgbm.Booster(model_str=content.decode())
    return np.asarray(booster.predict(_with_categories(rows, columns)), dtype=np.float64)


def _skops(content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    estimator = skops.io.loads(content, trusted=TRUSTED)
    return np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)


def _xgboost(content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    import xgboost

    booster = xgboost.Booster(model_file=bytearray(content))
    ordered = rows[booster.feature_names or list(rows.columns)].astype("float64")
    return np.asarray(booster.inplace_predict(ordered.to_numpy(), validate_features=False), dtype=np.float64)


_READERS: dict[str, Callable[[bytes, pd.DataFrame, list[dict[str, Any]]], Floats]] = {
    "lightgbm": _lightgbm, "skops": _skops, "xgboost": _xgboost,
}  # fmt: skip


def _model_file(version: ModelVersion) -> bytes:
    if version.artifact_state != ArtifactState.VERIFIED or version.format not in _READERS:
        raise ScoringError(
            f"{version} is not verified or not of a format that can be scored. {version.refusal}".strip()
        )
    signature = signature_of(version)
    if signature.fault:
        raise ScoringError(f"The signature of {version} does not hold. {signature.fault}")
    files = [File(**entry) for entry in version.manifest]
    if manifest_digest(files) != version.artifact_digest:
        raise ScoringError(f"The manifest of {version} does not have the digest that was registered.")
    name = str(model_file(version.format, (file.path for file in files)))
    content: bytes = (stage(version.artifact_path) / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != next(file.sha256 for file in files if file.path == name):
        raise ScoringError(f"{name} of {version} has changed since it was registered.")
    return content


def _with_categories(rows: pd.DataFrame, columns: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows with their categories as at training; a value that was never seen then counts as missing."""
    known = {column["name"]: column["categories"] for column in columns if column.get("categories") is not None}
    seen = {name: rows[name].where(rows[name].isin(categories)) for name, categories in known.items()}
    return rows.assign(**{name: pd.Categorical(values, known[name]) for name, values in seen.items()})
