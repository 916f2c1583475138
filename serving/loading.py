"""From a version of the routing table to one in memory."""

from pathlib import Path

from serving.artifacts import UNSOUND, ArtifactError, quantiles_beside, read_file, read_model_file
from serving.contract import FORECASTING, Version
from serving.families import fit
from serving.inputs import Signature
from serving.probe import probe
from serving.runtimes import SUFFIXES, load_runtime
from serving.snapshot import Servable

CONVERTED_TO = "onnx"


def least_bytes(version: Version) -> int:
    """Return what the version takes at least: the size of its file."""
    if version.converted:
        return version.converted.file.size
    return next((file.size for file in version.manifest if file.path == version.file), 0)


def measure(version: Version) -> int:
    """Return what the version takes in memory, after its files were found unchanged and a child process survived loading it.

    Raises:
        ArtifactError: it is refused; says why.
    """
    kind, data = _served(version)
    try:
        return max(probe(kind, data, version.columns), len(data))
    except ValueError as error:
        raise ArtifactError(str(error), UNSOUND) from error


def load(version: Version, task: str, size: int) -> Servable:
    """Return the version in memory, from files that were found unchanged and that a child survived.

    Args:
        task: of its model.
        size: what it takes, as measured.

    Raises:
        ArtifactError: it is refused; says why.
    """
    kind, data = _served(version)
    try:
        loaded = load_runtime(kind, data, version.columns)
        quantiles = quantiles_beside(Path(version.folder), version.manifest) if task == FORECASTING else None
        family, runtime, asked = fit(task, version, loaded, quantiles)
        signature = Signature(asked)
    except ValueError as error:
        raise ArtifactError(str(error), UNSOUND) from error
    names = [*signature.names, *family.added]
    return Servable(version.number, version.digest, version.format, kind, signature, runtime, family, names, size)


def _served(version: Version) -> tuple[str, bytes]:
    """Return the format and bytes of what is loaded: the converted file where there is one, else the version's own.

    Either way every file of the manifest was found unchanged.
    """
    data = read_model_file(version)
    if version.converted is None:
        return version.format, data
    if not version.converted.file.path.endswith(SUFFIXES[CONVERTED_TO]):
        raise ArtifactError(f"{version.converted.file.path} is not of the format that models are converted to")
    return CONVERTED_TO, read_file(Path(version.converted.folder), version.converted.file)
