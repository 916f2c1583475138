"""A version as the data plane is told of it: files, digest, columns, and the signature over them."""

from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from registry.models import ModelVersion
from serving import contract
from serving.contract import Column, File, Version


def is_routable(version: ModelVersion) -> bool:
    """Whether a gateway can be told to load the version: its files are verified and it says which columns it takes."""
    return bool(
        version.is_servable
        and version.archived_at is None
        and version.retired_at is None
        and version.signature.get("inputs")
        and _model_file(version)
    )


def served_version(version: ModelVersion, bundle: dict[str, Any] | None = None) -> Version:
    """Return what whoever loads the version needs to know.

    Args:
        bundle: its digital signature, for those who check it themselves.
    """
    return Version(
        number=version.number,
        format=version.format,
        folder=str(Path(settings.ARTIFACT_ROOT) / version.artifact_path),
        file=str(_model_file(version)),
        digest=version.artifact_digest,
        manifest=msgspec.convert(version.manifest, list[File]),
        columns=msgspec.convert(version.signature["inputs"], list[Column]),
        signature=msgspec.json.encode(bundle, order="sorted").decode() if bundle else "",
        governed=version.model.team.governed,
        parameters=version.signature.get("parameters", {}),
    )


def _model_file(version: ModelVersion) -> str | None:
    return contract.model_file(version.format, (file["path"] for file in version.manifest))
