"""What holds for the log of a model's predictions."""

from typing import Any

from monitoring.models import LogPolicy
from registry.models import ModelVersion, RegisteredModel

VERSIONS = 50  # the newest ones, whose inputs a policy may name


def log_policy_of(model: RegisteredModel) -> LogPolicy:
    """Return the policy of a model's log; an unsaved one with the defaults where the team decided nothing."""
    return LogPolicy.objects.select_related("changed_by").filter(model=model).first() or LogPolicy(model=model)


def input_columns(model: RegisteredModel) -> dict[str, str]:
    """Return the inputs of a model's newest versions, those of the latest first: {name: type}."""
    versions = ModelVersion.objects.filter(model=model, signature__has_key="inputs").order_by("-number")[:VERSIONS]
    inputs: list[list[dict[str, Any]]] = list(versions.values_list("signature__inputs", flat=True))
    found: dict[str, str] = {}
    for column in (column for columns in inputs for column in columns):
        found.setdefault(column["name"], column["type"])
    return found
