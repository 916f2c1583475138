"""What webhooks may be told: audit actions in our words, or MLflow's events in MLflow's."""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from django.conf import settings

from registry.errors import InvalidError
from registry.models import PROMPT_TAG, AuditEvent, ModelVersion, RegisteredModel, Webhook

EVERY = "*"
# What a webhook itself does is not told: a test would be followed by the news of the test.
QUIET = ("session.", "webhook.test", "webhook.redeliver")
# Each of MLflow's events with what its data holds.
MLFLOW_EVENTS: dict[str, tuple[str, ...]] = {
    "registered_model.created": ("name", "tags", "description"),
    "model_version.created": ("name", "version", "source", "run_id", "tags", "description"),
    "model_version_tag.set": ("name", "version", "key", "value"),
    "model_version_tag.deleted": ("name", "version", "key"),
    "model_version_alias.created": ("name", "alias", "version"),
    "model_version_alias.deleted": ("name", "alias"),
    "prompt.created": ("name", "tags", "description"),
    "prompt_version.created": ("name", "version", "template", "tags", "description"),
    "prompt_tag.set": ("name", "key", "value"),
    "prompt_tag.deleted": ("name", "key"),
    "prompt_version_tag.set": ("name", "version", "key", "value"),
    "prompt_version_tag.deleted": ("name", "version", "key"),
    "prompt_alias.created": ("name", "alias", "version"),
    "prompt_alias.deleted": ("name", "alias"),
    "budget_policy.exceeded": (),  # of MLflow's gateway, which is not offered here: may be asked for, never happens
}
# Tags that MLflow's clients fill a prompt with; what they hold is not told as a tag.
PROMPT_TEXT, PROMPT_TYPE = "mlflow.prompt.text", "_mlflow_prompt_type"
_SUBJECT = re.compile(r"/(?P<kind>models|prompts)/(?P<name>[^/]+)/(versions/(?P<number>\d+)/)?$")


@cache
def actions() -> dict[str, str]:
    """Return every action that a webhook may be told, and what it means; `make docs` collects them from the code."""
    known: dict[str, str] = json.loads((Path(__file__).parent / "actions.json").read_text())
    return {name: meaning for name, meaning in known.items() if not name.startswith(QUIET)}


def groups() -> list[str]:
    """Return the first parts of the actions, such as ``promotion``."""
    return sorted({name.partition(".")[0] for name in actions()})


def check_events(events: Iterable[str], flavour: str) -> list[str]:
    """Return the events to be told, each once, in the order given.

    Raises:
        InvalidError: there is none, or one is not known; names it.
    """
    chosen = list(dict.fromkeys(events))
    if not chosen:
        raise InvalidError("Choose at least one event.", field="events")
    if flavour == Webhook.Flavour.MLFLOW:
        known = set(MLFLOW_EVENTS)
    else:
        known = {EVERY, *actions(), *(f"{group}.*" for group in groups())}
    if unknown := [event for event in chosen if event not in known]:
        raise InvalidError(f"{unknown[0]!r} is no event; GET /api/v1/webhook-events lists them.", field="events")
    return chosen


def wants(webhook: Webhook, event: str) -> bool:
    """Tell whether ``webhook`` asked for ``event``."""
    return any(asked in (event, EVERY, f"{event.partition('.')[0]}.*") for asked in webhook.events)


def is_told(action: str) -> bool:
    """Tell whether an audit action is told to webhooks at all."""
    return not action.startswith(QUIET)


def cloud_event(event: AuditEvent, *, event_id: UUID, at: datetime) -> dict[str, Any]:
    """Return an audit event as a CloudEvent (1.0)."""
    return {
        "specversion": "1.0",
        "id": str(event_id),
        "source": settings.WEB_URL,
        "type": event.action,
        "subject": event.subject,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "team": event.team,
        "data": {"actor": event.actor, "url": f"{settings.WEB_URL}{event.subject}", "details": event.payload},
    }


def mlflow_event(event: AuditEvent, *, at: datetime) -> tuple[str, dict[str, Any]] | None:
    """Return the name and body of the event that MLflow would send for a change; None where it sends none.

    Whatever door the change came through, this is read from its audit event and, for what was created, from the
    created rows themselves, in the transaction of the change.
    """
    place = _SUBJECT.fullmatch(event.subject)
    names: dict[str, Any] = {"name": unquote(place["name"])} if place else {}
    if place and place["number"]:
        names["version"] = place["number"]
    told, said = event.payload, None
    match event.action:
        case "model.create":
            said = ("registered_model.created", _created_model(event.team, names["name"]))
        case "version.create":
            said = ("model_version.created", _created_version(event.team, names["name"], int(names["version"])))
        case "version.tag":
            said = ("model_version_tag.set", names | {"key": told["key"], "value": told["after"]})
        case "version.untag":
            said = ("model_version_tag.deleted", names | {"key": told["key"]})
        case "model.tag":
            said = ("model_tag.set", names | {"key": told["key"], "value": told["after"]})
        case "model.untag":
            said = ("model_tag.deleted", names | {"key": told["key"]})
        case "alias.set" | "alias.rollback":
            said = ("model_version_alias.created", names | {"alias": told["alias"], "version": str(told["after"])})
        case "alias.delete":
            said = ("model_version_alias.deleted", names | {"alias": told["alias"]})
        case "promotion.complete":
            moved = {"name": told["model"], "alias": told["alias"], "version": str(told["after"])}
            said = ("model_version_alias.created", moved)
    if said is None:
        return None
    name, data = _as_prompt(*said) if place and place["kind"] == "prompts" else said
    return (name, mlflow_body(name, data, at=at)) if name in MLFLOW_EVENTS else None


def mlflow_body(name: str, data: dict[str, Any], *, at: datetime) -> dict[str, Any]:
    """Return the body that carries ``data`` of MLflow's event ``name``; the workspace is added where it is sent."""
    entity, _, action = name.partition(".")
    return {"entity": entity, "action": action, "timestamp": at.isoformat(), "data": data}


def mlflow_example(name: str, *, at: datetime) -> dict[str, Any]:
    """Return a body of MLflow's event ``name`` with made-up data, as MLflow sends it for a test."""
    entity = name.partition(".")[0]
    kind = "prompt" if entity.startswith("prompt") else "model"
    values = {
        "name": f"example_{kind}", "version": "1", "alias": "example_alias", "key": "example_key",
        "value": "example_value", "tags": {"example_key": "example_value"}, "template": "Hello {{name}}!",
        "source": "models:/123", "run_id": "abcd1234abcd5678", "description": f"An example {entity.replace('_', ' ')}",
    }  # fmt: skip
    return mlflow_body(name, {field: values[field] for field in MLFLOW_EVENTS[name]}, at=at)


def _created_model(team: str, name: str) -> dict[str, Any]:
    model = RegisteredModel.objects.kept().get(team__slug=team, name=name)
    return {"name": name, "tags": dict(model.tags.values_list("key", "value")), "description": model.description}


def _created_version(team: str, name: str, number: int) -> dict[str, Any]:
    models = RegisteredModel.objects.kept().filter(team__slug=team, name=name)
    version = ModelVersion.objects.get(model__in=models, number=number)
    return {
        "name": name,
        "version": str(number),
        "source": version.source,
        "run_id": version.run_id or None,
        "tags": dict(version.tags.values_list("key", "value")),
        "description": version.description or None,
    }


def _as_prompt(name: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return what MLflow says of a prompt where it would say the same of a model."""
    entity, _, action = name.partition(".")
    entity = {
        "registered_model": "prompt", "model_version": "prompt_version", "model_version_tag": "prompt_version_tag",
        "model_version_alias": "prompt_alias", "model_tag": "prompt_tag",
    }[entity]  # fmt: skip
    if entity == "prompt_version":
        data = {key: value for key, value in data.items() if key not in ("source", "run_id")}
        data["template"] = data["tags"].get(PROMPT_TEXT)
    if "tags" in data:
        hidden = (PROMPT_TAG, PROMPT_TYPE) + ((PROMPT_TEXT,) if entity == "prompt_version" else ())
        data["tags"] = {key: value for key, value in data["tags"].items() if key not in hidden}
    return f"{entity}.{action}", data
