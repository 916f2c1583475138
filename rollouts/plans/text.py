"""A plan as YAML with people's units, both ways without loss. Pure: no ORM, clock or settings."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import yaml

from rollouts.plans import units
from rollouts.plans.plan import Plan, PlanError, read_plan

LONGEST = 50_000  # characters
# Field of the plan → its name in text, how it is read and shown. What is not named here is the same in both.
SPELLED: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], Any]]] = {
    "alpha": ("alpha", units.read_percent, units.show_percent),
    "weight_bp": ("weight", units.read_share, units.show_share),
    "share_bp": ("share", units.read_share, units.show_share),
    "hold_s": ("hold", units.read_duration, units.show_duration),
    "duration_s": ("duration", units.read_duration, units.show_duration),
    "max_duration_s": ("max_duration", units.read_duration, units.show_duration),
    "maturity_s": ("maturity", units.read_duration, units.show_duration),
    "threshold_ms": ("threshold", units.read_ms, units.show_ms),
    "days": ("days", units.read_weekday, lambda days: [units.WEEKDAYS[day] for day in days]),
}
FIELDS = {name: field for field, (name, _, _) in SPELLED.items()}
# YAML would take these for a number, an instant or a truth: 18:00 is 1080 to it, and a key column may be called "on".
TEXTS = (
    "name",
    "kind",
    "output",
    "loss",
    "reason",
    "starts_at",
    "ends_at",
    "from_time",
    "to_time",
    "time_zone",
    "key_column",
)
# Shown even where they are what goes without saying.
SHOWN = ("alpha", "share_bp", "duration_s", "min_pairs", "hold_s", "min_requests")
FIRST = ("alpha", "shadow", "steps", "guardrails")  # in text the way comes first


class PlanTextError(PlanError):
    """The text holds no sound plan; ``line`` (from 1) and ``field`` say where."""

    def __init__(self, line: int, field: str, message: str) -> None:
        super().__init__(field, message)
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.message}"


def plan_to_yaml(plan: Plan) -> str:
    """Return a plan as text that :func:`plan_from_yaml` reads as the same plan."""
    whole = _spell(plan)
    ordered = {name: whole.pop(name) for name in FIRST if name in whole} | whole
    text: str = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=100)
    return text


def plan_from_yaml(text: str) -> Plan:
    """Return the plan that a text holds.

    Raises:
        PlanTextError: names the line and the field of the first fault.
    """
    if len(text) > LONGEST:
        raise PlanTextError(1, "plan", f"at most {LONGEST:,} characters")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PlanTextError(
            mark.line + 1 if mark else 1, "plan", f"no YAML: {error.problem or error.context}"
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise PlanTextError(1, "plan", f"no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(node, yaml.MappingNode):
        raise PlanTextError(1, "plan", "fields such as steps and guardrails, each with a colon")
    reading = _Reading()
    document = reading.value(node, "", "")
    try:
        return read_plan(document)
    except PlanError as error:
        raise PlanTextError(reading.line_of(error.field), _in_text(error.field), _in_text(error.message)) from None


def _spell(part: Any) -> Any:
    """Return a part of a plan as plain values in people's units, without what goes without saying."""
    if isinstance(part, list):
        return [_spell(item) for item in part]
    if not isinstance(part, msgspec.Struct):
        return part
    spelled = {}
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        usual = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if value != usual or field.name in SHOWN:
            name, _, show = SPELLED.get(field.name, (field.name, None, None))
            spelled[name] = show(value) if show else _spell(value)
    return spelled


def _in_text(words: str) -> str:
    """Return a message about fields with the names that they have in text."""
    return re.sub(r"\w+", lambda word: SPELLED[word[0]][0] if word[0] in SPELLED else word[0], words)


class _Reading:
    """Turns nodes into plain values, and remembers on which line each field stands."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.seen: set[int] = set()

    def line_of(self, field: str) -> int:
        """Return the line of a field, or of the nearest one that holds it."""
        while field and field not in self.lines:
            field = field.rpartition(".")[0] if field.rfind(".") > field.rfind("[") else field.rpartition("[")[0]
        return self.lines.get(field, 1)

    def value(self, node: yaml.Node, path: str, field: str) -> Any:
        """Return what ``node`` holds; ``path`` leads to it, ``field`` is the last name on the way."""
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if id(node) in self.seen:
            raise PlanTextError(line, _in_text(path) or "plan", "write it out: anchors and aliases are not read")
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{path}[{i}]", field) for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101  the third of three kinds
        return self._scalar(node, path, field)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        held: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in SPELLED and SPELLED[name][0] != name:
                raise PlanTextError(
                    line, _join(path, name), f"in text this is called {SPELLED[name][0]}, with its unit"
                )
            field = FIELDS.get(name, name)
            if field in held:
                raise PlanTextError(line, _in_text(_join(path, field)), "given twice")
            self.lines[_join(path, field)] = line
            held[field] = self.value(value, _join(path, field), field)
        return held

    def _scalar(self, node: yaml.ScalarNode, path: str, field: str) -> Any:
        if field in TEXTS:
            return node.value
        if field in SPELLED:
            try:
                return SPELLED[field][1](node.value)
            except ValueError as error:
                raise PlanTextError(
                    node.start_mark.line + 1, _in_text(path), f"{node.value or 'nothing'} is not {error}"
                ) from None
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (ValueError, yaml.YAMLError):
            return node.value


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
