"""Where good parameters are looked for: a range or a choice for each parameter that is searched, the others stay."""

from collections.abc import Mapping
from typing import Any

from experiments.training.params import Parameter, parameters
from registry.errors import InvalidError

LOG = "log"
OF_THE_TRAINING = ("folds", "fold_window", "fold_gap_hours")  # how a training is tried; a search has folds of its own
Space = dict[str, dict[str, Any]]  # {parameter: {low, high, log} or {choices}}


def declared_space(declared: type) -> Space:
    """Return the space that a pipeline declares beside its parameters: what a search takes where nothing is said."""
    return {one.name: _declared(one) for one in parameters(declared) if one.search}


def check_space(declared: type, given: Mapping[str, Any]) -> Space:
    """Return ``given`` as it is kept, complete and with the parameters' types.

    Raises:
        InvalidError: a name is unknown, or a range is empty, outside the parameter's limits or of the wrong type; names the field.
    """
    known = {one.name: one for one in parameters(declared)}
    if not given:
        raise InvalidError("Search at least one parameter.", field="space")
    for name in given:
        if name not in known:
            raise InvalidError(f"{name} is no parameter here; choose from {', '.join(known)}.", field=f"space/{name}")
        if name == "seed" or name in OF_THE_TRAINING:
            raise InvalidError(f"No {name} is better than another one; leave it fixed.", field=f"space/{name}")
    return {name: _checked(known[name], asked) for name, asked in given.items()}


def _declared(one: Parameter) -> dict[str, Any]:
    assert one.search is not None  # noqa: S101  asked for above
    if one.type is bool:
        return {"choices": list(one.search)}
    low, high, *scale = one.search
    return {"low": low, "high": high, "log": scale == [LOG]}


def _checked(one: Parameter, asked: Any) -> dict[str, Any]:
    where = f"space/{one.name}"
    if not isinstance(asked, Mapping):
        raise InvalidError(f"{one.name} takes a range such as {{low, high, log}}, or choices.", field=where)
    if "choices" in asked:
        return {"choices": _choices(one, asked, where)}
    if one.type not in (int, float):
        raise InvalidError(f"{one.name} has no range; give choices.", field=where)
    if set(asked) - {"low", "high", "log"} or not {"low", "high"} <= set(asked):
        raise InvalidError(f"A range of {one.name} has low, high and, where ratios count, log.", field=where)
    low, high, log = (asked["low"], asked["high"], asked.get("log", False))
    for end in (low, high):
        if type(end) is not one.type and not (one.type is float and type(end) is int):
            raise InvalidError(f"The ends of {one.name} must be {'whole ' * (one.type is int)}numbers.", field=where)
    if type(log) is not bool:
        raise InvalidError(f"log of {one.name} is true or false.", field=where)
    low, high = one.type(low), one.type(high)
    if not low < high:  # so that NaN is refused too
        raise InvalidError(f"The range of {one.name} is empty: {low} is not below {high}.", field=where)
    if log and low <= 0:
        raise InvalidError(f"A range by ratios begins above 0; {one.name} begins at {low}.", field=where)
    if (one.min is not None and low < one.min) or (one.max is not None and high > one.max) or high == float("inf"):
        limits = " and ".join(
            [f"at least {one.min}"] * (one.min is not None) + [f"at most {one.max}"] * (one.max is not None)
        )
        raise InvalidError(f"{one.name} must be {limits or 'finite'}; {low} to {high} was asked for.", field=where)
    return {"low": low, "high": high, "log": log}


def _choices(one: Parameter, asked: Mapping[str, Any], where: str) -> list[Any]:
    choices = asked["choices"]
    if set(asked) != {"choices"} or not isinstance(choices, list) or len(choices) < 2:
        raise InvalidError(f"{one.name} takes at least two choices, and nothing beside them.", field=where)
    for choice in choices:
        if type(choice) is not one.type:
            raise InvalidError(f"The choices of {one.name} must be of one kind: {one.type.__name__}.", field=where)
        if one.type in (int, float) and (
            (one.min is not None and not choice >= one.min) or (one.max is not None and not choice <= one.max)
        ):
            raise InvalidError(f"{one.name} cannot be {choice}.", field=where)
    return choices
