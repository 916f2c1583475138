"""`var/demo.json` and `var/demo.sh`: the running demo described for scripts and shells.

Both hold tokens, so their owner alone reads them.
"""

import json
from pathlib import Path
from typing import Any, TypedDict

from django.conf import settings

from controlplane.demo.inference import infer_body
from controlplane.embedded import write_private
from experiments.selectors import dataset_rows
from registry.models import Alias, ModelVersion
from serving.contract import CHAMPION

CALLER = "traffic"  # the token that the demo's visitors show to the gateway


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
    callers: dict[str, str]  # tokens of services that ask the gateway
    models: list[dict[str, Any]]


def read() -> Description:
    """Return what the file says, with the addresses of now; nobody and nothing where there is no file yet."""
    try:
        kept = json.loads(_path().read_text())
    except FileNotFoundError:
        kept = {}
    return Description(
        web=settings.WEB_URL, mlflow=settings.MLFLOW_URL, gateway=settings.GATEWAY_URL,
        users=kept.get("users", {}), callers=kept.get("callers", {}), models=kept.get("models", []),
    )  # fmt: skip


def write(description: Description) -> None:
    """Replace both files."""
    write_private(_path(), json.dumps(description, indent=2) + "\n")
    lines = [f"export {name}='{value}'\n" for name, value in shell_variables(description).items()]
    write_private(_path().with_suffix(".sh"), "# Written by `make demo`, for the examples in docs/.\n" + "".join(lines))


def shell_variables(description: Description) -> dict[str, str]:
    """Return what the examples in docs/ call addresses and tokens; the engineer is who asks where none is named."""
    tokens = {name.upper(): login["token"] for name, login in description["users"].items()}
    engineer = tokens.get("ENGINEER", "")
    return {
        "CP": f"{description['web']}/api/v1", "GATEWAY": description["gateway"], "MLFLOW_TRACKING_URI": description["mlflow"],
        **tokens, "CP_TOKEN": engineer, "MLFLOW_TRACKING_TOKEN": engineer, "CALLER_TOKEN": description["callers"].get(CALLER, ""),
    }  # fmt: skip


def describe_models() -> None:
    """Write down every model that has a champion, with a request that the gateway answers."""
    champions = Alias.objects.filter(name=CHAMPION, model__archived_at__isnull=True).select_related("version__model")
    described = read()
    described["models"] = [
        {"name": alias.model.name, "infer": _request(alias.version)}
        for alias in champions.order_by("model__name")
        if hasattr(alias.version, "training_run")
    ]
    write(described)


def _request(version: ModelVersion) -> dict[str, Any]:
    """Return a request for a real row, later than those that ``version`` was trained on."""
    rows = dataset_rows(version.training_run.dataset_version, "replay").dropna()
    return infer_body(version.signature["inputs"], rows.iloc[0].to_dict())


def _path() -> Path:
    return Path(settings.VAR_DIR) / "demo.json"
