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

from experiments.metrics import Floats
from experiments.rows.roles import HORIZON
from experiments.scoring.retrieved import Found
from experiments.training.flavor import TRUSTED
from registry.children import run_child
from registry.models import ArtifactState, ModelVersion, Task
from registry.selectors import signature_of
from registry.staging import stage
from serving.contract import (
    QUANTILES_FILE,
    RETRIEVER,
    Column,
    File,
    Scores,
    ScoringRequest,
    calibration_of_text,
    manifest_digest,
    model_file,
    read_quantiles,
)

CHILD_SECONDS = 90  # on the clock; its CPU time is bounded by itself
CHILD_QUERIES = 500  # likewise of a retriever
CHILD_ROWS = 100_000  # at once; so many bound its memory and time however long the data set is


class ScoringError(Exception):
    """The version cannot be used on these rows; the message says why."""


STEPPED_ROWS = 10_000  # likewise where each row is answered for many steps


def answers(version: ModelVersion, rows: pd.DataFrame) -> Floats:
    """Return what callers would get for each of ``rows``: (n,), or (n, h) where it is a forecast of the next h steps.

    Raises: ScoringError as :func:`predict`.
    """
    forecasts = version.model.task == Task.FORECASTING and HORIZON not in rows
    return _steps(version, rows) if forecasts else predict(version, rows)


def quantiles(version: ModelVersion, rows: pd.DataFrame, forecasts: Floats) -> dict[float, Floats]:
    """Return by level what callers would get around ``forecasts``, (n, h) each; nothing where the version has no quantiles.

    Raises: ScoringError as :func:`predict`, and where the file that holds them is not what was registered.
    """
    content = _file(version, QUANTILES_FILE)
    if version.model.task != Task.FORECASTING or content is None or HORIZON in rows:
        return {}
    try:
        found = read_quantiles(content)
    except ValueError as error:
        raise ScoringError(f"{QUANTILES_FILE} of {version} is not what its name says: {error}.") from None
    lags = [rows[f"lag_{n}"].to_numpy(dtype=np.float64) for n in range(1, found.lags + 1)]
    around = found.around(forecasts.reshape(len(rows), -1), found.scales(np.asarray(lags).tolist()))
    return {level: around[:, :, place] for place, level in enumerate(found.levels)}


def _steps(version: ModelVersion, rows: pd.DataFrame) -> Floats:
    columns = version.signature.get("inputs", [])
    given = rows.assign(**{HORIZON: 1}) if any(column["name"] == HORIZON for column in columns) else rows
    _check_columns(version, given)
    content, parameters = _model_file(version), version.signature.get("parameters", {})
    parts = [
        _in_child(version.format, content, given[at : at + STEPPED_ROWS], columns, parameters=parameters)
        for at in range(0, len(given), STEPPED_ROWS)
    ]
    return _finite(np.concatenate(parts))


def retrieved(version: ModelVersion, queries: dict[str, str], *, k: int) -> Found:
    """Return what callers would get for each of ``queries``, {name: text}: at most ``k`` documents each, asked one after the other.

    Raises: ScoringError as :func:`predict`.
    """
    content, columns, texts = _model_file(version), version.signature.get("inputs", []), list(queries.values())
    ids, scores, took, cpu = list[list[str]](), list[list[float]](), list[float](), list[float]()
    for at in range(0, len(texts), CHILD_QUERIES):
        found = _scored(
            ScoringRequest(version.format, content, msgspec.convert(columns, list[Column]), [list(texts[at : at + CHILD_QUERIES])], k=k)
        )  # fmt: skip
        pairs = np.asarray(found.values, dtype=np.float64).reshape(-1, found.width // 2, 2)
        for query in pairs:
            there = query[query[:, 0] >= 0]
            ids.append([found.documents[int(place)] for place in there[:, 0]])
            scores.append(there[:, 1].tolist())
        took += found.took_ms
        cpu += found.cpu_ms
    return Found(list(queries), ids, scores, np.asarray(took), np.asarray(cpu), len(content))


def predict(version: ModelVersion, rows: pd.DataFrame) -> Floats:
    """Return one number for each of ``rows``, (n,): for a classifier the probability of the positive class.

    The file that is read is hashed and then loaded from memory, so nothing can change in between. Only the formats that
    a gateway loads are accepted, and from skops only a fixed list of types. XGBoost, ONNX and safetensors are read by the
    gateway's own loaders, in a child process.

    Raises:
        ScoringError: the version is not verified, its files changed, the rows lack a column that it takes, or it does not
            answer one number a row.
    """
    if version.format == RETRIEVER:
        raise ScoringError(f"{version} finds documents for queries, and answers no number a row.")
    columns = version.signature.get("inputs", [])
    names = _check_columns(version, rows)
    content = _model_file(version)
    if version.format == "skops" and version.model.task != Task.CLASSIFICATION:
        return _as_served("skops", content, rows[names], columns)
    return _READERS[version.format](content, rows[names], columns)


def _check_columns(version: ModelVersion, rows: pd.DataFrame) -> list[str]:
    names = [column["name"] for column in version.signature.get("inputs", [])]
    if missing := [name for name in names if name not in rows]:
        raise ScoringError(f"{version} takes {', '.join(missing)}, which the data set does not have.")
    return names


def _lightgbm(content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    if calibration_of_text(content.decode()) is not None:
        return _as_served("lightgbm", content, rows, columns)
    booster = lightgbm.Booster(model_str=content.decode())
    return np.asarray(booster.predict(_with_categories(rows, columns)), dtype=np.float64)


def _skops(content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    estimator = skops.io.loads(content, trusted=TRUSTED)
    return np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)


def _as_served(kind: str, content: bytes, rows: pd.DataFrame, columns: list[dict[str, Any]]) -> Floats:
    """Return what the gateway's loader answers; of two classes the probability of the second."""
    parts = [
        _in_child(kind, content, rows[at : at + CHILD_ROWS], columns) for at in range(0, len(rows), CHILD_ROWS)
    ]  # fmt: skip
    return _finite(np.concatenate([part[:, -1] for part in parts]))


def _finite(answer: Floats) -> Floats:
    if not np.isfinite(answer).all():
        raise ScoringError(
            f"The model answers no number for {int((~np.isfinite(answer)).sum())} of {answer.size} rows. It has to take "
            "missing values, or a data set without them."
        )
    return answer


def _in_child(
    kind: str,
    content: bytes,
    rows: pd.DataFrame,
    columns: list[dict[str, Any]],
    *,
    parameters: dict[str, Any] | None = None,
) -> Floats:
    """Return what the gateway's loader answers, (n, w); with the signature's ``parameters`` the next w steps of each row."""
    request = ScoringRequest(
        kind, content, msgspec.convert(columns, list[Column]),
        [_values(rows[column["name"]], column.get("categories")) for column in columns],
        parameters is not None, parameters or {},
    )  # fmt: skip
    found = _scored(request)
    answer = np.asarray(found.values, dtype=np.float64).reshape(len(rows), found.width)
    if parameters is None and found.width > 1 and (found.output, found.width) != ("probabilities", 2):
        raise ScoringError(f"The model answers {found.width} values a row; one probability a row can be measured.")
    return answer


def _scored(request: ScoringRequest) -> Scores:
    try:
        child = run_child("serving.scoring", given=msgspec.msgpack.encode(request), seconds=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise ScoringError(
            f"The model did not answer {len(request.values[0])} rows within {CHILD_SECONDS} s."
        ) from None
    if child.returncode < 0:
        raise ScoringError(f"Predicting killed the process that tried it (signal {-child.returncode}).")
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ScoringError(f"The model cannot be measured: {said[-1][:500]}.")
    return msgspec.msgpack.decode(child.stdout, type=Scores)


def _values(column: "pd.Series[Any]", categories: list[str] | None) -> list[Any]:
    """Return what a caller would send; what is missing, or a category that training never saw, is None."""
    known = column.notna() if categories is None else column.isin(categories)
    values: list[Any] = column.astype(object).where(known, None).tolist()
    return values


_READERS: dict[str, Callable[[bytes, pd.DataFrame, list[dict[str, Any]]], Floats]] = {
    "lightgbm": _lightgbm, "skops": _skops, "xgboost": partial(_as_served, "xgboost"), "onnx": partial(_as_served, "onnx"),
    "safetensors": partial(_as_served, "safetensors"),
}  # fmt: skip


def _model_file(version: ModelVersion) -> bytes:
    if version.artifact_state != ArtifactState.VERIFIED or version.format not in (*_READERS, RETRIEVER):
        raise ScoringError(
            f"{version} is not verified or not of a format that can be scored. {version.refusal}".strip()
        )
    signature = signature_of(version)
    if signature.fault:
        raise ScoringError(f"The signature of {version} does not hold. {signature.fault}")
    files = [File(**entry) for entry in version.manifest]
    if manifest_digest(files) != version.artifact_digest:
        raise ScoringError(f"The manifest of {version} does not have the digest that was registered.")
    return _file(version, str(model_file(version.format, (file.path for file in files)))) or b""


def _file(version: ModelVersion, name: str) -> bytes | None:
    """Return the bytes of one file of the artifact; None where the manifest has no such file."""
    digest = next((entry["sha256"] for entry in version.manifest if entry["path"] == name), None)
    if digest is None:
        return None
    content: bytes = (stage(version.artifact_path) / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ScoringError(f"{name} of {version} has changed since it was registered.")
    return content


def _with_categories(rows: pd.DataFrame, columns: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows with their categories as at training; a value that was never seen then counts as missing."""
    known = {column["name"]: column["categories"] for column in columns if column.get("categories") is not None}
    seen = {name: rows[name].where(rows[name].isin(categories)) for name, categories in known.items()}
    return rows.assign(**{name: pd.Categorical(values, known[name]) for name, values in seen.items()})
