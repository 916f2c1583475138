"""An example of how the gateway is asked for a prediction by a version."""

import json
import shlex
from typing import Any
from urllib.parse import quote

from django.conf import settings

from registry.models import ModelVersion, VersionReading

PLACEHOLDERS = {"long": 1, "integer": 1, "boolean": True, "string": "…"}  # numbers of other types: 1.0


def example_command(version: ModelVersion) -> str:
    """Return a line for a shell that asks the version's model about one row: the first of the example logged with it, if any."""
    reading = VersionReading.objects.filter(version=version).first()
    body = example_body(version.signature.get("inputs", []), reading.example if reading else {})
    return (
        f"curl {settings.GATEWAY_URL}/models/{quote(version.model.name)}/invocations "
        f'-H "Authorization: Bearer $CALLER_TOKEN" -H "Content-Type: application/json" -d {shlex.quote(body)}'
    )


def example_body(inputs: list[dict[str, Any]], example: dict[str, list[Any]]) -> str:
    """Return one row as MLflow's protocol takes it, in one line of JSON.

    Args:
        inputs: the columns of a version's signature.
        example: {columns, rows}, the input example that was logged with the model; a column that it lacks gets a made-up value.
    """
    rows = example.get("rows") or [[]]
    given = dict(zip(example.get("columns", []), rows[0], strict=False))
    values = [given.get(column["name"], _made_up(column)) for column in inputs]
    return json.dumps(
        {"dataframe_split": {"columns": [column["name"] for column in inputs], "data": [values]}}, ensure_ascii=False
    )


def _made_up(column: dict[str, Any]) -> Any:
    categories = column.get("categories")
    return categories[0] if categories else PLACEHOLDERS.get(column["type"], 1.0)
