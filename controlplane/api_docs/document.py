"""From the OpenAPI document to what the reference page prints. Pure: dictionaries in, dataclasses out."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from controlplane.api_docs.content import EXAMPLES

Schema = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
DEEPEST = 3  # fields of fields of fields; what lies below is told by its type
LONGEST_CHOICE = 8


@dataclass(frozen=True)
class Field:
    """One field of a body or answer, or one parameter; ``name`` is the path within the body, such as `checks[].title`."""

    name: str
    kind: str
    required: bool
    about: str
    where: str = ""


@dataclass(frozen=True)
class Answer:
    """What a successful call gives."""

    status: str
    kind: str
    fields: list[Field]
    paged: bool = False


@dataclass(frozen=True)
class Operation:
    """One method on one address."""

    anchor: str
    method: str
    path: str
    summary: str
    about: list[str]
    parameters: list[Field]
    body: list[Field]
    answers: list[Answer]
    curl: str


def operations(document: Schema, *, server: str) -> dict[str, list[Operation]]:
    """Return the operations by group, in the order of their addresses.

    Args:
        server: scheme and host that the examples call, such as ``https://ml.example``.
    """
    reader = _Reader(document["components"]["schemas"])
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                (tag, *_) = methods[method]["tags"]
                groups.setdefault(tag, []).append(_operation(reader, server, path, method, methods[method]))
    return dict(sorted(groups.items(), key=lambda group: group[0].lower()))


def _operation(reader: "_Reader", server: str, path: str, method: str, told: Schema) -> Operation:
    sent = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return Operation(
        anchor=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told.get("summary") or told["operationId"].replace("_", " ").capitalize(),
        about=[_plain(part) for part in told.get("description", "").split("\n\n") if part.strip()],
        parameters=[reader.parameter(parameter) for parameter in told.get("parameters", [])],
        body=list(reader.fields(sent)) if sent else [],
        answers=[reader.answer(status, answer) for status, answer in told["responses"].items() if status < "400"],
        curl=_curl(server, path, method, reader.example(sent) if sent else None),
    )


class _Reader:
    """Reads schemas, following references into the document's components."""

    def __init__(self, components: Schema) -> None:
        self.components = components

    def resolved(self, schema: Schema) -> Schema:
        """Return the schema that a reference, or a union with null, stands for."""
        for name in ("allOf", "oneOf", "anyOf"):
            if name in schema:
                whole = [self.resolved(part) for part in schema[name]]
                parts = [part for part in whole if part.get("type") != "null" and part.get("enum") != [None]]
                nullable = len(parts) < len(whole)
                about = {key: schema[key] for key in ("description", "default") if key in schema}
                return (parts[0] if parts else {}) | about | ({"nullable": True} if nullable else {})
        if "$ref" in schema:
            return self.resolved(self.components[schema["$ref"].rpartition("/")[2]])
        return schema

    def kind(self, schema: Schema) -> str:
        """Return the type in words."""
        schema = self.resolved(schema)
        kinds = schema.get("type", "any")
        names = list(kinds) if isinstance(kinds, list) else [kinds]
        nullable = "null" in names or schema.get("nullable", False)
        name = " or ".join(kind for kind in names if kind != "null")
        choices = [str(choice) for choice in schema.get("enum", []) if choice not in (None, "")]
        if choices and len(choices) <= LONGEST_CHOICE:
            name = "one of " + ", ".join(choices)
        elif choices:
            name = "one of " + ", ".join(choices[:LONGEST_CHOICE]) + " …"
        elif name == "array":
            name = f"list of {self.kind(schema.get('items', {}))}"
        elif schema.get("format") in ("date-time", "date", "uri"):
            name = {"date-time": "time", "date": "date", "uri": "address"}[schema["format"]]
        return f"{name} or null" if nullable else name

    def fields(self, schema: Schema, prefix: str = "", depth: int = 1) -> Iterator[Field]:
        """Yield the fields of an object, and those of the objects in it."""
        schema = self.resolved(schema)
        if schema.get("type") == "array":
            yield from self.fields(schema["items"], f"{prefix}[]" if prefix else "", depth)
            return
        for name, told in schema.get("properties", {}).items():
            path = f"{prefix}.{name}" if prefix else name
            yield Field(path, self.kind(told), name in schema.get("required", []), _about(self.resolved(told)))
            if depth < DEEPEST:
                yield from self.fields(told, path, depth + 1)

    def parameter(self, told: Schema) -> Field:
        """Return one parameter of an operation."""
        kind, about = self.kind(told["schema"]), _about(told["schema"] | told)
        return Field(told["name"], kind, told.get("required", False), about, told["in"])

    def answer(self, status: str, told: Schema) -> Answer:
        """Return one successful answer; the rows of a list are described, not its envelope."""
        content = next(iter(told.get("content", {}).values()), None)
        if content is None:
            return Answer(status, "empty", [])
        schema = self.resolved(content["schema"])
        if "results" in schema.get("properties", {}):
            return Answer(status, "page", list(self.fields(schema["properties"]["results"])), paged=True)
        return Answer(status, self.kind(schema), list(self.fields(schema)))

    def example(self, schema: Schema, name: str = "") -> Any:
        """Return a body that could be sent: what is required, or else the first fields."""
        schema = self.resolved(schema)
        if name in EXAMPLES:
            return EXAMPLES[name]
        if schema.get("enum"):
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                properties = schema.get("properties", {})
                chosen = [key for key in properties if key in schema.get("required", [])] or list(properties)[:2]
                return {key: self.example(properties[key], key) for key in chosen}
            case "array":
                return [self.example(schema.get("items", {}))]
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
        return "…"


def _about(schema: Schema) -> str:
    """Return the meaning of a field and its default, in one line."""
    words = _plain(schema.get("description", ""))
    default = schema.get("default")
    if default not in (None, "", [], {}):
        words = f"{words}; {default} unless told otherwise" if words else f"{default} unless told otherwise"
    return words


def _plain(text: str) -> str:
    """Return Markdown of one paragraph as words in one line."""
    return " ".join(re.sub(r"[`*]", "", text).split())


def _curl(server: str, path: str, method: str, body: Any) -> str:
    address = re.sub(r"\{(\w+)\}", lambda found: str(EXAMPLES.get(found[1], 1)), path)
    lines = [f"curl {server}{address}"] if method == "get" else [f"curl -X {method.upper()} {server}{address}"]
    lines.append('-H "Authorization: Bearer $CP_TOKEN"')
    if method == "post":
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
    if body is not None:
        lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body, ensure_ascii=False)}'"]
    return " \\\n  ".join(lines)
