"""A version as the data plane is told of it: files, digest, columns, and the signature over them."""

from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from registry.converted import converted_path
from registry.models import ModelVersion
from serving import contract
from serving.contract import Column, Converted, File, Version


def is_routable(version: ModelVersion) -> bool:
    """Whether a gateway can be told to load the version: its files are verified and it says which columns it takes."""
    return bool(
        version.is_servable
        and version.archived_at is None
        and version.retired_at is None
        and version.signature.get("inputs")
        and _model_file(version)
    )


def served_version(
    version: ModelVersion, signed: dict[str, Any] | None = None, converted: dict[str, Any] | None = None
) -> Version:
    """Return what whoever loads the version needs to know.

    Args:
        signed: its digital signatures, {bundle, converted}, for those who check them themselves.
        converted: its converted file, {path, size, sha256}, for those who are to load that in its place.
    """
    signed = signed or {}
    return Version(
        number=version.number,
        format=version.format,
        folder=str(Path(settings.ARTIFACT_ROOT) / version.artifact_path),
        file=str(_model_file(version)),
        digest=version.artifact_digest,
        manifest=msgspec.convert(version.manifest, list[File]),
        columns=msgspec.convert(version.signature["inputs"], list[Column]),
        signature=_bundle(signed.get("bundle")),
        governed=version.model.team.governed,
        parameters=version.signature.get("parameters", {}),
        converted=_converted(version, converted, signed) if converted else None,
    )


def _converted(version: ModelVersion, file: dict[str, Any], signed: dict[str, Any]) -> Converted:
    folder = Path(settings.ARTIFACT_ROOT) / converted_path(version.artifact_digest, file["sha256"])
    return Converted(str(folder), msgspec.convert(file, File), _bundle(signed.get("converted")))


def _bundle(signed: dict[str, Any] | None) -> str:
    return msgspec.json.encode(signed, order="sorted").decode() if signed else ""


def _model_file(version: ModelVersion) -> str | None:
    return contract.model_file(version.format, (file["path"] for file in version.manifest))
