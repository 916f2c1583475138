"""Reading an artifact's folder safely: its files and digest here, what they mean in a child process that may die.

Nothing in an artifact is ever run or unpickled, and none of it is parsed in this process.
"""

import hashlib
import os
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from registry.children import run_child
from serving.contract import File, Reading, manifest_digest

MAX_FILES = 10_000
CHILD_SECONDS = 90  # on the clock; its CPU time is bounded by itself
_CHUNK = 1 << 20


class ArtifactError(Exception):
    """The artifact is refused; the message says why and what to do."""


@dataclass(frozen=True)
class ArtifactReading:
    """What was read of an artifact."""

    path: str  # relative to the artifact root
    manifest: list[dict[str, Any]]  # [{path, size, sha256}], sorted by path
    digest: str
    found: Reading
    conversion: dict[str, Any] = field(default_factory=dict)  # of registry.converted

    @property
    def format(self) -> str:
        """One of ``contract.FORMATS``, or what else the files are."""
        return self.found.format

    @property
    def refusal(self) -> str:
        """Why it cannot be served; empty where it can."""
        return self.found.refusal

    @property
    def signature(self) -> dict[str, Any]:
        """The signature as a version keeps it: {inputs: [{name, type, required, categories}], outputs: […], parameters: {…}}."""
        inputs = [
            {"name": c.name, "type": c.type, "required": c.required}
            | ({} if c.categories is None else {"categories": c.categories})
            for c in self.found.columns
        ]
        parameters = {"parameters": self.found.parameters} if self.found.parameters else {}
        return {"inputs": inputs, "outputs": self.found.outputs} | parameters if inputs else {}


def read_artifact(folder: Path) -> ArtifactReading:
    """Read every file of ``folder`` and say what the artifact is.

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
    found = _read_in_child(folder, files)
    if found.unsound:
        raise ArtifactError(found.unsound)
    return ArtifactReading(
        path=path.as_posix(),
        manifest=[msgspec.to_builtins(file) for file in files],
        digest=manifest_digest(files),
        found=found,
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


def _read_in_child(folder: Path, files: list[File]) -> Reading:
    """Return what ``serving.reading`` makes of the files."""
    try:
        child = run_child("serving.reading", str(folder), given=msgspec.json.encode(files), seconds=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise ArtifactError(f"The files could not be read within {CHILD_SECONDS} s.") from None
    if child.returncode < 0:
        raise ArtifactError(
            f"Reading the model killed the process that tried it (signal {-child.returncode}). Log the model again."
        )
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ArtifactError(f"The files could not be read: {said[-1][:500]}")
    return msgspec.json.decode(child.stdout, type=Reading)
