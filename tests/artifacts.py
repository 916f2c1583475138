"""Versions whose files lie on disk as MLflow's proxy would have put them."""

import json
from pathlib import Path

import yaml
from django.conf import settings

from registry import services
from registry.adapters import workspace_of
from tests.factories import make_actor, make_model
from tests.gateways import COLUMNS, boosted

PLAIN = [{"name": c.name, "type": c.type, "required": c.required} for c in COLUMNS]
LIGHTGBM = {"lightgbm": {"data": "model.lgb"}, "python_function": {"loader_module": "mlflow.lightgbm"}}


def mlmodel(flavors=None, inputs=PLAIN, **fields) -> str:
    signature = {"inputs": json.dumps(inputs), "outputs": "[]"} if inputs is not None else None
    return yaml.safe_dump({"flavors": flavors or LIGHTGBM, "signature": signature, **fields})


def logged_version(team, files=None, *, model=None, actor=None, **fields):
    """Register a version of ``files`` ({path: text or bytes}); a small LightGBM model unless told otherwise."""
    actor = actor or make_actor(team)
    model = model or make_model(team, actor=actor)
    place = f"workspaces/{workspace_of(team)}/1/run-{model.pk}-{model.last_number}/artifacts/model"
    files = {"MLmodel": mlmodel(), "model.lgb": boosted().model_to_string()} | (files or {})
    for path, content in files.items():
        if content is not None:
            target = Path(settings.ARTIFACT_ROOT, place, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
    return services.version_create(actor=actor, model=model, source=f"mlflow-artifacts:/{place}", **fields)


def folder_of(version) -> Path:
    """Return where the version's files lie."""
    return Path(settings.ARTIFACT_ROOT, *version.source.removeprefix("mlflow-artifacts:/").split("/"))
