"""Reading an artifact's folder safely: its files, digest, format and signature. Nothing in it is ever run or unpickled."""

import hashlib
import json
import os
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from django.conf import settings

from serving.contract import File, manifest_digest

MODEL_FILES = {"lightgbm": "model.lgb", "skops": "model.skops"}  # as MLflow names them
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".dill")
COLUMN_TYPES = ("long", "integer", "double", "float", "boolean", "string")
MAX_FILES = 10_000
MAX_DESCRIPTION_BYTES = 1_000_000  # of MLmodel
MAX_TAIL_BYTES = 4_000_000  # of a LightGBM text, where its categories stand
_CHUNK = 1 << 20
_CATEGORICAL = re.compile(r"-?\d+(:-?\d+)*")


class ArtifactError(Exception):
    """The artifact is refused; the message says why and what to do."""


class _NotServableError(Exception):
    """The files are sound, but a gateway could not serve them."""


@dataclass(frozen=True)
class ArtifactReading:
    """What was read of an artifact."""

    path: str  # relative to the artifact root
    manifest: list[dict[str, Any]]  # [{path, size, sha256}], sorted by path
    digest: str
    format: str  # lightgbm, skops, or other: never served
    signature: dict[str, Any]  # {inputs: [{name, type, required, categories}], outputs: […]}
    refusal: str  # why it cannot be served; empty where it can

    @property
    def servable(self) -> bool:
        """Whether a gateway may load it."""
        return not self.refusal


def read_artifact(folder: Path) -> ArtifactReading:
    """Read every file of ``folder`` once and say what the artifact is.

    Args:
        folder: absolute, within the artifact root.

    Raises:
        ArtifactError: there is no such folder, or it holds a link, a device, a strange name, or a file that is not what
            it claims to be (T4, T6).
    """
    root = Path(settings.ARTIFACT_ROOT)
    path = folder.relative_to(root)
    if folder.resolve() != root.resolve() / path or not folder.is_dir():  # a link on the way, or nothing there
        raise ArtifactError(f"There are no files at {path}. Log the model before it is registered.")
    files = [_file(folder, found) for found in _paths(folder)]
    if not files:
        raise ArtifactError(f"The folder {path} is empty. Log the model before it is registered.")
    signature: dict[str, Any] = {}
    try:
        model = _description(folder, files)
        signature = _signature(model)
        kind = _format(model, files)
        signature["inputs"] = _columns(kind, folder, signature)
        refusal = ""
    except _NotServableError as reason:
        kind, refusal = "other", str(reason)
    return ArtifactReading(
        path=path.as_posix(),
        manifest=[msgspec.to_builtins(file) for file in files],
        digest=manifest_digest(files),
        format=kind,
        signature=signature,
        refusal=refusal,
    )


def _paths(folder: Path) -> list[Path]:
    """Return the files below ``folder``; anything but plain files and folders is refused."""
    found: list[Path] = []
    waiting = [folder]
    while waiting:
        for path in waiting.pop().iterdir():
            name, status = path.relative_to(folder).as_posix(), path.lstat()
            if stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1):
                raise ArtifactError(f"{name} is a link. An artifact holds files of its own alone.")
            if not name.isprintable() or "\\" in name:
                raise ArtifactError(f"The file name {name!r} holds characters that no artifact needs.")
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            elif stat.S_ISREG(status.st_mode):
                found.append(path)
            else:
                raise ArtifactError(f"{name} is neither a file nor a folder.")
        if len(found) > MAX_FILES:
            raise ArtifactError(f"The artifact holds more than {MAX_FILES} files.")
    return sorted(found)


def _file(folder: Path, path: Path) -> File:
    digest, size = hashlib.sha256(), 0
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return File(path.relative_to(folder).as_posix(), size, digest.hexdigest())


def _description(folder: Path, files: list[File]) -> dict[str, Any]:
    described = next((file for file in files if file.path == "MLmodel"), None)
    if described is None:
        raise _NotServableError(
            "It has no MLmodel file, so it was not logged as a model. Use mlflow.<flavour>.log_model."
        )
    if described.size > MAX_DESCRIPTION_BYTES:
        raise ArtifactError("The file MLmodel is too long to be a description of a model.")
    try:
        model = yaml.safe_load((folder / "MLmodel").read_text())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        model = None
    if not isinstance(model, dict) or not isinstance(model.get("flavors"), dict):
        raise ArtifactError("The file MLmodel cannot be read. Log the model again.")
    return model


def _format(model: dict[str, Any], files: list[File]) -> str:
    """Return the format that a gateway loads; what could run code of the artifact's own is turned down."""
    flavors: dict[str, Any] = model["flavors"]
    names = {file.path for file in files}
    if pickles := sorted(name for name in names if name.lower().endswith(PICKLES)):
        raise _NotServableError(
            f"It holds a pickle ({pickles[0]}), and a pickle runs code when it is opened. "
            "Log a LightGBM Booster, or a scikit-learn model with serialization_format='skops'."
        )
    loader = (flavors.get("python_function") or {}).get("loader_module")
    if loader not in (None, "mlflow.lightgbm", "mlflow.sklearn") or any(
        isinstance(flavor, dict) and flavor.get("code") for flavor in flavors.values()
    ):
        raise _NotServableError("It brings code of its own, which is never run here.")
    lightgbm, sklearn = flavors.get("lightgbm") or {}, flavors.get("sklearn") or {}
    if lightgbm.get("data") == MODEL_FILES["lightgbm"] and MODEL_FILES["lightgbm"] in names:
        return "lightgbm"
    if sklearn.get("pickled_model") == MODEL_FILES["skops"] and MODEL_FILES["skops"] in names:
        return "skops"
    raise _NotServableError(
        f"Its flavour is {', '.join(sorted(flavors)) or 'unknown'}; "
        "the gateway serves LightGBM Boosters and scikit-learn models saved as skops."
    )


def _signature(model: dict[str, Any]) -> dict[str, Any]:
    given = model.get("signature")
    try:
        inputs, outputs = (json.loads((given or {}).get(key) or "[]") for key in ("inputs", "outputs"))
        columns = [
            {"name": str(c["name"]), "type": str(c["type"]), "required": bool(c.get("required", True))} for c in inputs
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        columns = []
    if not columns:
        raise _NotServableError(
            "It lacks a signature with named columns. Log it with signature=mlflow.models.infer_signature(X, y)."
        )
    if odd := [c for c in columns if c["type"] not in COLUMN_TYPES]:
        raise _NotServableError(
            f"Column {odd[0]['name']} is of type {odd[0]['type']}, which the gateway does not take."
        )
    return {"inputs": columns, "outputs": outputs}


def _columns(kind: str, folder: Path, signature: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input columns, with the categories that a LightGBM model was trained on."""
    columns: list[dict[str, Any]] = signature["inputs"]
    path = folder / MODEL_FILES[kind]
    if kind == "skops":
        if not zipfile.is_zipfile(path) or "schema.json" not in zipfile.ZipFile(path).namelist():
            raise ArtifactError(f"{path.name} is not what its name says: no skops archive.")
        return columns
    header, categories = _lightgbm_text(path)
    by_feature = {column["name"].replace(" ", "_"): column for column in columns}  # as LightGBM writes names
    features = header.get("feature_names", "").split()
    if odd := sorted(by_feature.keys() ^ features):
        raise _NotServableError(f"The model's features are not its signature's columns; they differ in {odd[0]}.")
    ordered = [by_feature[feature] for feature in features]
    infos = header.get("feature_infos", "").split()
    marked = [c for c, info in zip(ordered, infos, strict=False) if _CATEGORICAL.fullmatch(info)]
    texts = [c for c in ordered if c["type"] == "string"]
    # A categorical column that no tree uses is not marked, so the text columns decide where the marks do not add up.
    matched = marked if len(marked) == len(categories) else texts
    if len(matched) != len(categories) or any(c not in matched for c in texts):
        raise _NotServableError(
            "Its text columns and its categories do not match. Train on columns of dtype 'category'."
        )
    for column, known in zip(matched, categories, strict=True):
        expected = str if column["type"] == "string" else (int, float)
        if not all(isinstance(category, expected) and not isinstance(category, bool) for category in known):
            raise _NotServableError(f"The categories of {column['name']} are not of its type, {column['type']}.")
        column["categories"] = [str(category) for category in known]
    return columns


def _lightgbm_text(path: Path) -> tuple[dict[str, str], list[list[Any]]]:
    """Return the header and the categories of a LightGBM text model, without giving it to the library (T10)."""
    header: dict[str, str] = {}
    with path.open("rb") as handle:
        if handle.readline(16).rstrip() != b"tree":
            raise ArtifactError(f"{path.name} is not what its name says: no LightGBM text.")
        for line in handle:
            if not line.strip():
                break  # the trees follow
            key, _, value = line.decode(errors="replace").strip().partition("=")
            header[key] = value
        handle.seek(0, os.SEEK_END)
        handle.seek(max(0, handle.tell() - MAX_TAIL_BYTES))
        _, found, tail = handle.read().rpartition(b"\npandas_categorical:")
    try:
        categories = json.loads(tail) if found else None
    except ValueError:
        raise ArtifactError(f"{path.name} ends in the middle. Log the model again.") from None
    return header, categories or []
