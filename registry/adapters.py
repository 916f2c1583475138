"""MLflow's own tables, seen from here."""

from pathlib import Path


def resolve_source(source: str, run_id: str) -> Path:
    """Return the folder, within the artifact root, that a version's source names."""
    return Path(source)
