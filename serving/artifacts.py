"""Reading a version's files: only what was registered, byte for byte, and only formats on the allow-list."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from serving.contract import FORMATS, QUANTILES_FILE, File, Quantiles, Version, manifest_digest, read_quantiles
from serving.runtimes import SUFFIXES

UNSUPPORTED, UNSOUND = 415, 422
MOST_QUANTILE_BYTES = 1_000_000
_CHUNK = 1 << 20


class ArtifactError(Exception):
    """The version is refused.

    Attributes:
        status: 415 where its format is not allowed, 422 where its bytes are not what was registered or not sound.
    """

    def __init__(self, message: str, status: int = UNSOUND) -> None:
        super().__init__(message)
        self.status = status


def read_model_file(version: Version) -> bytes:
    """Return the bytes of the version's model file, after every file of the manifest was found unchanged.

    The caller loads these bytes, not the file, so nothing can change in between. No other file is given a meaning: an
    ``MLmodel`` that names a loader or code of its own is hashed and otherwise ignored.

    Raises:
        ArtifactError: the format is not allowed, or a file is missing, changed, a link or outside the folder.
    """
    if version.format not in FORMATS or not version.file.endswith(SUFFIXES[version.format]):
        raise ArtifactError(f"{version.file} is not of an allowed format: {', '.join(FORMATS)}", UNSUPPORTED)
    if version.file not in {file.path for file in version.manifest}:
        raise ArtifactError(f"{version.file} is not in the manifest")
    if manifest_digest(version.manifest) != version.digest:
        raise ArtifactError("the manifest is not the one that was registered: its digest differs")
    for file in version.manifest:
        if file.path != version.file:
            check_file(Path(version.folder), file)
    return read_file(Path(version.folder), next(file for file in version.manifest if file.path == version.file))


def quantiles_beside(folder: Path, manifest: Iterable[File]) -> Quantiles | None:
    """Return the quantiles of a forecast that lie beside the model; None where there are none.

    Raises:
        ArtifactError: the file is not that of the manifest, or holds no quantiles.
    """
    file = next((file for file in manifest if file.path == QUANTILES_FILE), None)
    if file is None:
        return None
    if file.size > MOST_QUANTILE_BYTES:
        raise ArtifactError(f"{QUANTILES_FILE} is longer than {MOST_QUANTILE_BYTES} bytes")
    try:
        return read_quantiles(read_file(folder, file))
    except ValueError as error:
        raise ArtifactError(f"{QUANTILES_FILE} is not what its name says: {error}") from error


def read_file(folder: Path, file: File) -> bytes:
    """Return the file's bytes, which are those of the manifest.

    Raises:
        ArtifactError: it is missing, changed, a link or outside the folder.
    """
    return b"".join(_chunks(folder, file))


def check_file(folder: Path, file: File) -> None:
    """Return if the file is that of the manifest; however large it is, little of it is in memory at once.

    Raises:
        ArtifactError: it is missing, changed, a link or outside the folder.
    """
    for _ in _chunks(folder, file):
        pass


def _chunks(folder: Path, file: File) -> Iterator[bytes]:
    parts = PurePosixPath(file.path).parts
    if not parts or file.path.startswith("/") or ".." in parts or "\x00" in file.path:
        raise ArtifactError(f"{file.path!r} lies outside the artifact's folder")
    path = folder
    for part in parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise ArtifactError(f"{file.path} passes a link")
    try:
        descriptor = os.open(path / parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ArtifactError(f"{file.path} cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as handle:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise ArtifactError(f"{file.path} is a link or no plain file")
        if found.st_size != file.size:
            raise ArtifactError(f"{file.path} has changed: {found.st_size} bytes instead of {file.size}")
        digest, left = hashlib.sha256(), file.size + 1
        while left > 0 and (chunk := handle.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
            yield chunk
    if digest.hexdigest() != file.sha256:
        raise ArtifactError(f"{file.path} has changed: its SHA-256 is not the registered one")
