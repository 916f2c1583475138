"""What holds for the log of a model's predictions."""

from typing import Any

from monitoring.models import LogPolicy, Treatment
from registry.models import ModelVersion, RegisteredModel

VERSIONS = 50  # the newest ones, whose inputs a policy may name
MOST_SHOWN = 100  # of a history


def log_policy_of(model: RegisteredModel) -> LogPolicy:
    """Return the policy of a model's log; an unsaved one with the defaults where the team decided nothing."""
    latest = LogPolicy.objects.select_related("changed_by").filter(model=model).first()
    return latest or LogPolicy(model=model, number=0, changed_at=None)  # type: ignore[misc]  # it never was


def log_history(model: RegisteredModel) -> list[tuple[LogPolicy, list[str]]]:
    """Return what was decided on the log of a model, newest first, each with what it changed in words."""
    rows = list(LogPolicy.objects.select_related("changed_by").filter(model=model)[:MOST_SHOWN])
    before = [*rows[1:], LogPolicy(model=model)] if len(rows) < MOST_SHOWN else rows[1:]
    return [(after, differences(earlier, after)) for after, earlier in zip(rows, before, strict=False)]


def differences(before: LogPolicy, after: LogPolicy) -> list[str]:
    """Return in words what ``after`` changes."""
    said = []
    if before.keep_days != after.keep_days:
        said.append(f"kept {after.keep_days} days instead of {before.keep_days}")
    for column in sorted(before.columns.keys() | after.columns.keys()):
        was, now = before.columns.get(column), after.columns.get(column)
        if was != now:
            said.append(f"{column}: {_held(was)} → {_held(now)}")
    return said


def _held(treatment: str | None) -> str:
    return Treatment(treatment).label.lower() if treatment else "recorded as it is"


def input_columns(model: RegisteredModel) -> dict[str, str]:
    """Return the inputs of a model's newest versions, those of the latest first: {name: type}."""
    versions = ModelVersion.objects.filter(model=model, signature__has_key="inputs").order_by("-number")[:VERSIONS]
    inputs: list[list[dict[str, Any]]] = list(versions.values_list("signature__inputs", flat=True))
    found: dict[str, str] = {}
    for column in (column for columns in inputs for column in columns):
        found.setdefault(column["name"], column["type"])
    return found
