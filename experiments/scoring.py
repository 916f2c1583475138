"""Predicting with a registered version, after its files were found to be those that were registered."""

import hashlib
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pandas as pd
import skops.io

from experiments.flavor import TRUSTED
from experiments.metrics import Floats
from registry.children import run_child
from registry.models import ArtifactState, ModelVersion
from registry.selectors import signature_of
from registry.staging import stage
from serving.contract import Column, File, Scores, ScoringRequest, manifest_digest, model_file

CHILD_SECONDS = 90  # on the clock; its CPU time is bounded by itself
CHILD_ROWS = 100_000  # at once; so many bound its memory and time however long the data set is


class ScoringError(Exception):
    """The version cannot be used on these rows; the message says why."""


def predict(version: ModelVersion, rows: pd.DataFrame) -> Floats:
    """Return the probability of the positive class for each of ``rows``, (n,).

    The file that is read is hashed and then loaded from memory, so nothing can change in between. Only the formats that
    a gateway loads are accepted, and from skops only a fixed list of types. ONNX and safetensors are read by the gateway's
    own loaders, in a child process.

    Raises:
        ScoringError: the version is not verified, its files changed, the rows lack a column that it takes, or it does not
            answer one number a row.
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


def _as_served(kind: str, content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    """Return what the gateway's loader answers; of two classes the probability of the second."""
    parts = [
        _in_child(kind, content, rows[at : at + CHILD_ROWS], columns) for at in range(0, len(rows), CHILD_ROWS)
    ]  # fmt: skip
    answer = np.concatenate(parts)
    if not np.isfinite(answer).all():
        raise ScoringError(
            f"The model answers no number for {int((~np.isfinite(answer)).sum())} of {len(answer)} rows. It has to take "
            "missing values, or a data set without them."
        )
    return answer


def _in_child(kind: str, content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    request = ScoringRequest(
        kind, content, msgspec.convert(columns, list[Column]),
        [rows[c["name"]].astype(object).where(rows[c["name"]].notna(), None).tolist() for c in columns],
    )  # fmt: skip
    try:
        child = run_child("serving.scoring", given=msgspec.msgpack.encode(request), seconds=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise ScoringError(f"The model did not answer {len(rows)} rows within {CHILD_SECONDS} s.") from None
    if child.returncode < 0:
        raise ScoringError(f"Predicting killed the process that tried it (signal {-child.returncode}).")
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ScoringError(f"The model cannot be measured: {said[-1][:500]}.")
    found = msgspec.msgpack.decode(child.stdout, type=Scores)
    answer = np.asarray(found.values, dtype=np.float64).reshape(len(rows), found.width)
    if found.width > 1 and (found.output, found.width) != ("probabilities", 2):
        raise ScoringError(f"The model answers {found.width} values a row; one probability a row can be measured.")
    return answer[:, -1]


_READERS: dict[str, Callable[[bytes, pd.DataFrame, list[dict[str, Any]]], Floats]] = {
    "lightgbm": _lightgbm, "skops": _skops, "xgboost": _xgboost, "onnx": partial(_as_served, "onnx"),
    "safetensors": partial(_as_served, "safetensors"),
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
