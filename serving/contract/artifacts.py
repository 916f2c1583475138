"""What is known of a model's files: formats, columns, the manifest."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

RETRIEVER = "retriever"  # the format that answers queries with documents
# What a gateway loads, and what MLflow calls the model file; every other format is refused, never opened.
MODEL_FILES = {
    "lightgbm": ("model.lgb",),
    "xgboost": ("model.ubj", "model.json", "model.xgb"),
    "skops": ("model.skops",),
    "onnx": ("model.onnx",),
    "safetensors": ("model.safetensors",),
    RETRIEVER: ("retriever.safetensors",),
}
FORMATS = tuple(MODEL_FILES)


class File(msgspec.Struct, frozen=True, gc=False):
    """One file of an artifact: path relative to its folder, size in bytes, hex SHA-256."""

    path: str
    size: int
    sha256: str


class Column(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One input column: an MLflow type (long, integer, double, float, boolean, string); known categories, if any."""

    name: str
    type: str
    required: bool = True
    categories: list[str] | None = None


class Reading(msgspec.Struct, frozen=True):
    """What a child process found in the files of an artifact."""

    format: str  # one of FORMATS, or what else the files are: pickle, torch, code, …
    columns: list[Column] = []
    outputs: list[dict[str, Any]] = []  # as MLflow's signature has them
    parameters: dict[str, Any] = {}  # likewise: name and default, where that is one value
    refusal: str = ""  # why a gateway could not serve it; empty where it can
    unsound: str = ""  # why the artifact is refused altogether
    example: dict[str, list[Any]] = {}  # {columns, rows}, a few
    dependencies: dict[str, Any] = {}  # {python, packages, from}, as declared
    flavors: list[str] = []
    licence: str = ""  # as declared


def model_file(format_name: str, paths: Iterable[str]) -> str | None:
    """Return the model file among an artifact's ``paths``; None where there is none, or the format is not served."""
    return next((name for name in MODEL_FILES.get(format_name, ()) if name in set(paths)), None)


def manifest_digest(manifest: list[File]) -> str:
    """Return ``sha256:…`` over the files of an artifact, independent of their order."""
    lines = "".join(f"{file.sha256}  {file.size}  {file.path}\n" for file in sorted(manifest, key=lambda f: f.path))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
