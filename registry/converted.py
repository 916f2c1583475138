"""Models converted to ONNX when they are read: made in a child process that may die, kept beside the artifacts.

A converted file is derived from a version's files, which stay what they are. It has a digest of its own, fixed with the
reading, and is signed with the version.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from registry.artifacts import ArtifactError, ArtifactReading
from registry.children import run_child
from registry.staging import deposit
from serving.contract import PARITY, Conversion, ConversionRequest, File, model_file

CHILD_SECONDS = 120  # on the clock; its CPU time is bounded by itself
CONVERTED = "converted"  # below the artifact root, and outside every team's workspace


def convert(reading: ArtifactReading) -> dict[str, Any]:
    """Return what became of converting an artifact, as its reading keeps it; empty for formats that are not converted.

    Returns: {rows, difference, tolerance, reason, file}; ``file`` is there where the converted model is served.
    """
    if reading.format != "skops" or reading.refusal:
        return {}
    name = str(model_file(reading.format, (file["path"] for file in reading.manifest)))
    data = (Path(settings.ARTIFACT_ROOT) / reading.path / name).read_bytes()
    answer = _in_child(ConversionRequest(data, reading.found.columns, reading.found.example))
    told = {"rows": answer.rows, "difference": answer.difference, "tolerance": PARITY, "reason": answer.reason}
    if not answer.model:
        return told
    try:
        return told | {"file": msgspec.to_builtins(_keep(reading.digest, answer.model))}
    except ArtifactError as error:
        return told | {"reason": str(error)}


def converted_path(digest: str, sha256: str) -> str:
    """Return the folder of a converted file, relative to the artifact root.

    Args:
        digest: of the artifact.
        sha256: of the converted file.
    """
    return f"{CONVERTED}/{digest.removeprefix('sha256:')}/{sha256}"


def _in_child(request: ConversionRequest) -> Conversion:
    try:
        child = run_child("serving.conversion", given=msgspec.msgpack.encode(request), seconds=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        return Conversion(reason=f"it could not be converted within {CHILD_SECONDS} s")
    if child.returncode < 0:
        return Conversion(reason=f"converting it killed the process that tried (signal {-child.returncode})")
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        return Conversion(reason=f"it could not be converted: {said[-1][:300]}")
    return msgspec.msgpack.decode(child.stdout, type=Conversion)


def _keep(digest: str, data: bytes) -> File:
    """Write the file in one step, under its own digest: another attempt may write the same again.

    Raises:
        ArtifactError: the artifact store did not take it.
    """
    kept = File("model.onnx", len(data), hashlib.sha256(data).hexdigest())
    path = converted_path(digest, kept.sha256)
    folder = Path(settings.ARTIFACT_ROOT) / path
    folder.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=folder, prefix=".partial-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        os.fchmod(handle, 0o644)  # gateways may run as another user
        os.fsync(handle)
    Path(partial).replace(folder / kept.path)
    deposit(f"{path}/{kept.path}")
    return kept
