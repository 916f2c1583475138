"""A contract as YAML, both ways without loss. Pure: no ORM, clock or settings."""

from typing import Any

import yaml

from experiments.contracts.document import Contract, ContractError, contract_document, read_contract

LONGEST = 2_000_000  # characters: a thousand columns with their rules
DEEPEST = 10
# YAML would take some of these for a number, an instant or a truth: "on" is true to it, and 0 no text.
TEXTS = ("kind", "column", "columns", "type", "allowed", "values", "pattern", "severity", "reason")
# The parser in C, where it was built: a contract over 300 columns is read in a fraction of a second.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = type("_Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})


def _flat(dumper: Any, values: list[Any]) -> yaml.Node:
    """Write a list of values on one line, a list of rules below each other."""
    flat = all(not isinstance(value, dict) for value in values)
    node: yaml.Node = dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=flat)
    return node


_Dumper.add_representer(list, _flat)


class ContractTextError(ContractError):
    """The text holds no sound contract; ``line`` (from 1) and ``field`` say where."""

    def __init__(self, line: int, field: str, message: str) -> None:
        super().__init__(field, message)
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.message}"


def contract_to_yaml(contract: Contract) -> str:
    """Return a contract as text that :func:`contract_from_yaml` reads as the same contract."""
    text: str = yaml.dump(
        contract_document(contract),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )
    return text


def contract_from_yaml(text: str) -> Contract:
    """Return the contract that a text holds.

    Raises:
        ContractTextError: names the line and the field of the first fault.
    """
    if len(text) > LONGEST:
        raise ContractTextError(1, "contract", f"at most {LONGEST:,} characters")
    try:
        _check_depth(text)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ContractTextError(line, "contract", f"no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ContractTextError(1, "contract", f"no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ContractTextError(1, "contract", "the field rules, with a colon, and a list below it")
    reading = _Reading()
    document = reading.value(node, "", "")
    try:
        return read_contract(document)
    except ContractError as error:
        raise ContractTextError(reading.line_of(error.field), error.field, error.message) from None


def _check_depth(text: str) -> None:
    """See that nothing lies deeper than a contract does: the parser in C would crash the process on the way down."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ContractTextError(
                event.start_mark.line + 1 if event.start_mark else 1,
                "contract",
                "no list or mapping lies so deep in a contract",
            )


class _Reading:
    """Turns nodes into plain values, and remembers on which line each field stands."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.seen: set[int] = set()
        self.scalars = yaml.SafeLoader("")

    def line_of(self, field: str) -> int:
        """Return the line of a field, or of the nearest one that holds it."""
        while field and field not in self.lines:
            field = field[: max(field.rfind("."), field.rfind("["), 0)]
        return self.lines.get(field, 1)

    def value(self, node: yaml.Node, path: str, field: str) -> Any:
        """Return what ``node`` holds; ``path`` leads to it, ``field`` is the last name on the way."""
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if id(node) in self.seen:
            raise ContractTextError(line, path or "contract", "write it out: anchors and aliases are not read")
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{path}[{i}]", field) for i, item in enumerate(node.value)]
        if field in TEXTS:
            return node.value
        try:
            return self.scalars.construct_object(node)
        except (ValueError, yaml.YAMLError):
            return node.value

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        held: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            where = f"{path}.{name}" if path else name
            if name in held:
                raise ContractTextError(key.start_mark.line + 1, where, "given twice")
            self.lines[where] = key.start_mark.line + 1
            held[name] = self.value(value, where, name)
        return held
