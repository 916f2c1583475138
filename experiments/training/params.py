"""Declared parameters: a dataclass says names, types, defaults and limits; forms, API and jobs all read it."""

import dataclasses
from collections import ChainMap
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from registry.errors import InvalidError

Params = TypeVar("Params")

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter as a form shows it; ``search`` is the range where good values are looked for, where one is declared."""

    name: str
    type: type[Any]
    default: Any
    label: str
    help: str
    min: float | None
    max: float | None
    choices: tuple[tuple[str, str], ...] = ()  # (value, what people read), where there are few values
    search: tuple[Any, ...] | None = None


def parameters(declared: type) -> list[Parameter]:
    """Return the parameters that a dataclass declares, in order, or ``after`` the one that they name."""
    hints = get_type_hints(declared)
    fields = {field.name: (field.default, _said_of(declared, field.name)) for field in dataclasses.fields(declared)}
    names = list(fields)
    for name, (_, said) in fields.items():
        if "after" in said:
            names.remove(name)
            names.insert(names.index(said["after"]) + 1, name)
    return [
        Parameter(
            name, hints[name], default, said.get("label", name), said.get("help", ""), said.get("min"), said.get("max"),
            tuple(said.get("choices", {}).items()), said.get("search"),
        )
        for name in names
        for default, said in [fields[name]]
    ]  # fmt: skip


def _said_of(declared: type, name: str) -> Mapping[str, Any]:
    """Return what a class says of a field, and its bases where it says nothing."""
    classes = [vars(one).get("__dataclass_fields__", {}) for one in declared.__mro__]
    return ChainMap(*(dict(fields[name].metadata) for fields in classes if name in fields))


def parse(declared: type[Params], given: Mapping[str, Any]) -> Params:
    """Return the dataclass filled from ``given``; what is missing takes its default.

    Raises:
        InvalidError: a name is unknown, a value has the wrong type or lies outside its limits; names the field.
    """
    known = {parameter.name: parameter for parameter in parameters(declared)}
    for name in given:
        if name not in known:
            raise InvalidError(f"{name} is no parameter here; choose from {', '.join(known)}.", field=f"params/{name}")
    return declared(**{name: _checked(known[name], value) for name, value in given.items()})


def _checked(parameter: Parameter, value: Any) -> Any:
    where = f"params/{parameter.name}"
    if type(value) is not parameter.type and not (parameter.type is float and type(value) is int):
        raise InvalidError(f"{parameter.name} must be {WORDS[parameter.type]}.", field=where)
    value = parameter.type(value)
    known = [name for name, _ in parameter.choices]
    if known and value not in known:
        raise InvalidError(f"{parameter.name} is one of {', '.join(known)}.", field=where)
    low, high = parameter.min, parameter.max
    if not ((low is None or value >= low) and (high is None or value <= high)):  # so that NaN is refused too
        limits = " and ".join([f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None))
        raise InvalidError(f"{parameter.name} is {value}; it must be {limits}.", field=where)
    return value
