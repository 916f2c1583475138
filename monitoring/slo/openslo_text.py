"""YAML documents as plain values that remember on which line each field stands. Pure: no ORM, clock or settings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

LONGEST = 200_000  # characters
MOST = 200  # documents in one text
DEEPEST = 30


@dataclass(frozen=True)
class Fault:
    """Something in a text that cannot be taken: where, and why."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.message}"


class TextError(ValueError):
    """The text cannot be taken; ``faults`` says where and why."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = list(faults)


@dataclass
class Document:
    """One document: plain values, and the line of each field by its path, such as ``spec.objectives[0].target``."""

    value: dict[str, Any]
    line: int
    lines: dict[str, int] = field(default_factory=dict)

    def fault(self, path: str, message: str) -> Fault:
        """Return a fault at a field, or at the nearest one that holds it."""
        at = path
        while at and at not in self.lines:
            at = at.rpartition(".")[0] if at.rfind(".") > at.rfind("[") else at.rpartition("[")[0]
        return Fault(self.lines.get(at, self.line), path or "document", message)


def documents(text: str) -> list[Document]:
    """Return the documents of a text; empty ones are left out.

    Raises:
        TextError: it is too long, is no YAML, has anchors, a field twice, or a document that is no mapping.
    """
    if len(text) > LONGEST:
        raise TextError(Fault(1, "document", f"at most {LONGEST:,} characters"))
    try:
        nodes = list(_composed(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise TextError(Fault(line, "document", f"no YAML: {error.problem or error.context}")) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise TextError(Fault(1, "document", f"no YAML: {str(error).splitlines()[0]}")) from None
    if len(nodes) > MOST:
        raise TextError(Fault(nodes[MOST].start_mark.line + 1, "document", f"at most {MOST} documents"))
    return [_document(node) for node in nodes]


def _composed(text: str) -> Iterator[yaml.Node]:
    for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
        if node is not None and not (isinstance(node, yaml.ScalarNode) and node.value == ""):
            yield node


def _document(node: yaml.Node) -> Document:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise TextError(Fault(line, "document", "fields such as apiVersion and kind, each with a colon"))
    read = Document({}, line)
    read.value = _value(node, "", read, set(), 0)
    return read


def _value(node: yaml.Node, path: str, read: Document, seen: set[int], depth: int) -> Any:
    line = node.start_mark.line + 1
    read.lines.setdefault(path, line)
    if id(node) in seen:
        raise TextError(Fault(read.lines[path], path, "write it out: anchors and aliases are not read"))
    if depth > DEEPEST:
        raise TextError(Fault(line, path, f"at most {DEEPEST} levels"))
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        held: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            inner = f"{path}.{name}" if path else name
            read.lines[inner] = key.start_mark.line + 1
            if name in held:
                raise TextError(Fault(key.start_mark.line + 1, inner, "given twice"))
            held[name] = _value(value, inner, read, seen, depth + 1)
        return held
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, f"{path}[{i}]", read, seen, depth + 1) for i, item in enumerate(node.value)]
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError):
        return node.value
    return value if isinstance(value, str | int | float | bool | None) else node.value  # an instant stays text
