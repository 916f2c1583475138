"""`var/demo.json`: the running demo described for scripts. It holds passwords and tokens, so its owner alone reads it."""

import json
from pathlib import Path
from typing import Any, TypedDict

from django.conf import settings

from controlplane.embedded import write_private


class Login(TypedDict):
    """How one person gets in: the pages ask for the password, everything else for the token."""

    password: str
    token: str


class Description(TypedDict):
    """What the file holds."""

    web: str
    mlflow: str
    gateway: str
    users: dict[str, Login]
    models: list[dict[str, Any]]


def read() -> Description:
    """Return what the file says, with the addresses of now; nobody and nothing where there is no file yet."""
    try:
        kept = json.loads(_path().read_text())
    except FileNotFoundError:
        kept = {}
    return Description(
        web=settings.WEB_URL, mlflow=settings.MLFLOW_URL, gateway=settings.GATEWAY_URL,
        users=kept.get("users", {}), models=kept.get("models", []),
    )  # fmt: skip


def write(description: Description) -> None:
    """Replace the file."""
    write_private(_path(), json.dumps(description, indent=2) + "\n")


def _path() -> Path:
    return Path(settings.VAR_DIR) / "demo.json"
