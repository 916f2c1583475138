"""Reading an artifact in a child that may die: ``python -m serving.reading FOLDER`` with its manifest on standard input.

Whatever somebody uploaded is parsed here and nowhere else: the description, the model file, the example. The child answers
with a :class:`~serving.contract.Reading` as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from serving.artifacts import ArtifactError, quantiles_beside, read_file
from serving.categories import with_categories
from serving.contract import Column, File, Reading, model_file
from serving.declared import declared_dependencies, declared_licence, input_example
from serving.inputs import TENSOR_OF
from serving.recognition import NotServableError, recognise
from serving.runtimes import MisfitError, ModelError, load_runtime
from serving.trial import limit_this_process

MAX_DESCRIPTION_BYTES = 1_000_000  # of MLmodel
DESCRIPTION = "MLmodel"


class UnsoundError(Exception):
    """The artifact is not what it claims to be."""


def read(folder: Path, manifest: list[File]) -> Reading:
    """Return what the artifact is; nothing in it is run or unpickled."""
    files = {file.path: file for file in manifest}
    try:
        model = _description(folder, files)
        found = Reading(
            format="other",
            flavors=sorted(str(name) for name in model["flavors"]),
            dependencies=declared_dependencies(folder, files),
            example=input_example(folder, files, model),
            licence=declared_licence(model),
        )
    except NotServableError as reason:
        return Reading(format=reason.format, refusal=str(reason))
    except (UnsoundError, ArtifactError) as error:
        return Reading(format="other", unsound=str(error))
    try:
        columns, outputs = _signature(model)
        found = msgspec.structs.replace(found, columns=columns, outputs=outputs, parameters=_parameters(model))
        kind = recognise(model["flavors"], files)
    except NotServableError as reason:
        return msgspec.structs.replace(found, format=_format_of(reason, model, files), refusal=str(reason))
    name = str(model_file(kind, files))
    try:
        data = read_file(folder, files[name])
        columns = with_categories(kind, data, columns)
        load_runtime(kind, data, columns)
        quantiles_beside(folder, manifest)
    except MisfitError as error:
        return msgspec.structs.replace(found, format=kind, columns=columns, refusal=f"In {name}: {error}.")
    except MemoryError:
        return msgspec.structs.replace(found, format=kind, unsound=f"{name} takes more memory than a model may here.")
    except ArtifactError as error:
        return msgspec.structs.replace(found, format=kind, unsound=f"{error}.")
    except (ModelError, ValueError, TypeError, KeyError, RecursionError) as error:
        return msgspec.structs.replace(found, format=kind, unsound=f"{name} is not what its name says: {error}.")
    return msgspec.structs.replace(found, format=kind, columns=columns)


def _description(folder: Path, files: dict[str, File]) -> dict[str, Any]:
    described = files.get(DESCRIPTION)
    if described is None:
        raise NotServableError(
            "other", "It has no MLmodel file, so it was not logged as a model. Use mlflow.<flavour>.log_model."
        )
    if described.size > MAX_DESCRIPTION_BYTES:
        raise UnsoundError("The file MLmodel is too long to be a description of a model.")
    try:
        model = yaml.safe_load(read_file(folder, described).decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        model = None
    if not isinstance(model, dict) or not isinstance(model.get("flavors"), dict):
        raise UnsoundError("The file MLmodel cannot be read. Log the model again.")
    return model


def _signature(model: dict[str, Any]) -> tuple[list[Column], list[dict[str, Any]]]:
    given = model.get("signature")
    try:
        inputs, outputs = (json.loads((given or {}).get(key) or "[]") for key in ("inputs", "outputs"))
        columns = [Column(str(c["name"]), str(c["type"]), bool(c.get("required", True))) for c in inputs]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        columns, outputs = [], []
    if not columns:
        raise NotServableError(
            "",
            "It lacks a signature with named columns. Log it with signature=mlflow.models.infer_signature(X, y).",
        )
    if odd := [column for column in columns if column.type not in TENSOR_OF]:
        raise NotServableError("", f"Column {odd[0].name} is of type {odd[0].type}, which the gateway does not take.")
    return columns, outputs


def _parameters(model: dict[str, Any]) -> dict[str, Any]:
    """Return the signature's parameters with their defaults, those that are one value."""
    try:
        listed = json.loads((model.get("signature") or {}).get("params") or "[]")
        named = {str(parameter["name"]): parameter.get("default") for parameter in listed}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}
    return {name: value for name, value in named.items() if isinstance(value, int | float | str)}


def _format_of(reason: NotServableError, model: dict[str, Any], files: dict[str, File]) -> str:
    """Return what the files are, also where it is the signature that stands in the way."""
    if reason.format:
        return reason.format
    try:
        return recognise(model["flavors"], files)
    except NotServableError as other:
        return other.format


def main() -> int:
    """Read the artifact in the folder that is named and write the answer to standard output."""
    limit_this_process()
    manifest = msgspec.json.decode(sys.stdin.buffer.read(), type=list[File])
    sys.stdout.buffer.write(msgspec.json.encode(read(Path(sys.argv[1]), manifest)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
