"""What an artifact says of itself: dependencies, an example of its inputs, a licence. Read as text, never acted upon."""

import json
from pathlib import Path
from typing import Any

import yaml

from serving.artifacts import read_file
from serving.contract import File

MAX_BYTES = 1_000_000  # of one such file
MAX_PACKAGES = 500
EXAMPLE_ROWS = 5
EXAMPLE_COLUMNS = 500
MAX_TEXT = 200  # characters of one value


def declared_dependencies(folder: Path, files: dict[str, File]) -> dict[str, Any]:
    """Return {python, packages, from}: the Python release, requirements in pip's notation, and the files that say so."""
    conda = _yaml(_text(folder, files, "conda.yaml"))
    python_env = _yaml(_text(folder, files, "python_env.yaml"))
    requirements = _text(folder, files, "requirements.txt")
    in_conda = conda.get("dependencies")
    listed = in_conda if isinstance(in_conda, list) else []
    packages = [line.strip() for line in requirements.splitlines()]
    if not requirements:
        packages = [line for part in listed if isinstance(part, dict) for line in _lines(part.get("pip"))]
    python = str(python_env.get("python") or "")
    for part in listed:
        if not python and isinstance(part, str) and part.startswith("python="):
            python = part.partition("=")[2].lstrip("=")
    return {
        "python": python[:MAX_TEXT],
        "packages": [line[:MAX_TEXT] for line in packages if line and not line.startswith(("#", "-"))][:MAX_PACKAGES],
        "from": [name for name in ("requirements.txt", "conda.yaml", "python_env.yaml") if name in files],
    }


def input_example(folder: Path, files: dict[str, File], model: dict[str, Any]) -> dict[str, list[Any]]:
    """Return a few rows as {columns, rows}; empty where the example is no table."""
    info = model.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, dict) else None
    try:
        given = json.loads(_text(folder, files, name)) if isinstance(name, str) else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not all(isinstance(given.get(key), list) for key in ("columns", "data")):
        return {}
    columns = [str(column)[:MAX_TEXT] for column in given["columns"][:EXAMPLE_COLUMNS]]
    rows = [row[: len(columns)] for row in given["data"][:EXAMPLE_ROWS] if isinstance(row, list)]
    return {"columns": columns, "rows": [[_plain(value) for value in row] for row in rows]}


def declared_licence(model: dict[str, Any]) -> str:
    """Return the licence that the description's metadata names; empty where it names none."""
    metadata = model.get("metadata")
    found = (metadata.get("license") or metadata.get("licence")) if isinstance(metadata, dict) else None
    return found[:MAX_TEXT] if isinstance(found, str) else ""


def _text(folder: Path, files: dict[str, File], name: str) -> str:
    file = files.get(name)
    return read_file(folder, file).decode(errors="replace") if file and file.size <= MAX_BYTES else ""


def _yaml(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(found: Any) -> list[str]:
    return [str(line) for line in found] if isinstance(found, list) else []


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | None) else str(value)[:MAX_TEXT]
