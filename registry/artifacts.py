"""Reading an artifact's folder safely: its files, digest, format and signature."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class ArtifactError(Exception):
    """The artifact is refused; the message says why and what to do."""


@dataclass(frozen=True)
class ArtifactReading:
    """What was read of an artifact."""

    path: str  # relative to the artifact root
    manifest: list[dict[str, Any]]
    digest: str
    format: str
    signature: dict[str, Any]
    refusal: str  # why it cannot be served; empty where it can


def read_artifact(folder: Path) -> ArtifactReading:
    """Read the folder."""
    raise ArtifactError(f"{folder} cannot be read yet")
