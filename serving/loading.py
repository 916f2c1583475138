"""From a version of the routing table to one in memory."""

from serving.artifacts import UNSOUND, ArtifactError, read_model_file
from serving.contract import Version
from serving.families import fit
from serving.horizons import HORIZON
from serving.inputs import Signature
from serving.probe import probe
from serving.runtimes import load_runtime
from serving.snapshot import Servable


def least_bytes(version: Version) -> int:
    """Return what the version takes at least: the size of its file."""
    return next((file.size for file in version.manifest if file.path == version.file), 0)


def measure(version: Version) -> int:
    """Return what the version takes in memory, after its files were found unchanged and a child process survived loading it.

    Raises:
        ArtifactError: it is refused; says why.
    """
    data = read_model_file(version)
    try:
        return max(probe(version.format, data, version.columns), len(data))
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
    data = read_model_file(version)
    try:
        loaded = load_runtime(version.format, data, version.columns)
        family, runtime, asked = fit(task, version, loaded)
        signature = Signature(asked)
    except ValueError as error:
        raise ArtifactError(str(error), UNSOUND) from error
    names = signature.names if family.by_row else [*signature.names, HORIZON]
    return Servable(version.number, version.digest, version.format, signature, runtime, family, names, size)
