"""A contract as a whole: its rules, how they are read from plain values, and what they may not say. Pure."""

import math
from typing import Any

import msgspec

from experiments.contracts.rules import (
    AnyRule,
    Categories,
    Length,
    LiveRows,
    Pattern,
    Range,
    RowCount,
    Rule,
    document_of,
)

MOST_RULES = 5000


class ContractError(ValueError):
    """A contract is not sound; ``field`` names what, such as ``rules[3].max_share``."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What rows are held to."""

    rules: list[AnyRule] = []


def read_contract(document: Any) -> Contract:
    """Return the contract that a document of plain values holds.

    Raises:
        ContractError: names the first value that is missing, unknown, of another type or contradicts another one.
    """
    try:
        contract = msgspec.convert(document, Contract)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        raise ContractError(where.rstrip("`").lstrip(".") or "contract", _plain(message)) from None
    if len(contract.rules) > MOST_RULES:
        raise ContractError("rules", f"at most {MOST_RULES:,}")
    seen: dict[str, int] = {}
    for i, rule in enumerate(contract.rules):
        if rule.key in seen:
            raise ContractError(f"rules[{i}]", f"says what rules[{seen[rule.key]}] says: {rule.key} is there already")
        seen[rule.key] = i
        _check(rule, f"rules[{i}]")
    return contract


def contract_document(contract: Contract) -> dict[str, Any]:
    """Return a contract as plain values, as it is kept and written."""
    return {"rules": [document_of(rule) for rule in contract.rules]}


def _plain(message: str) -> str:
    return message.replace("Object missing required field", "there has to be a field").replace(
        "Object contains unknown field", "there is no field"
    )


def _check(rule: Rule, where: str) -> None:
    if not rule.reason.strip():
        raise ContractError(f"{where}.reason", "say in plain words why the rule is there")
    match rule:
        case Range(min=low, max=high):
            _bounds(where, low, high, "min", "max")
            for name, bound in (("min", low), ("max", high)):
                if bound is not None and not math.isfinite(bound):
                    raise ContractError(f"{where}.{name}", "a finite number")
        case RowCount(min=low, max=high, max_change_share=change):
            if low is None and high is None and change is None:
                raise ContractError(where, "give min, max or max_change_share")
            if low is not None or high is not None:
                _bounds(where, low, high, "min", "max")
        case LiveRows(min_per_hour=low, max_per_hour=high):
            _bounds(where, low, high, "min_per_hour", "max_per_hour")
        case Length(min=low, max=high):
            _bounds(where, low, high, "min", "max")
        case Categories(values=values) if len(set(values)) < len(values):
            raise ContractError(f"{where}.values", "each value once")
        case Pattern(pattern=pattern):
            _compile(pattern, f"{where}.pattern")


def _bounds(where: str, low: float | None, high: float | None, below: str, above: str) -> None:
    if low is None and high is None:
        raise ContractError(where, f"give {below}, {above} or both")
    if low is not None and high is not None and low > high:
        raise ContractError(f"{where}.{below}", f"{below} is above {above}")


def _compile(pattern: str, where: str) -> None:
    import polars as pl  # heavy, and asked for rarely

    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        told = str(error).partition("\n\n")[0].rpartition("error: ")[2]
        raise ContractError(where, f"no regular expression: {told}") from None
