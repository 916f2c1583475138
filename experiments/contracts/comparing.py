"""What changed from one contract to the next. Pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.contracts.document import Contract
from experiments.contracts.rules import Rule, document_of

MOST_SHOWN = 12  # values of a long list


@dataclass(frozen=True)
class Change:
    """One rule that came, went or changed.

    Attributes:
        before, after: what it demanded and demands, in words; empty where there is none.
        fields: (name, before, after) of what changed within it.
    """

    what: Literal["added", "removed", "changed"]
    rule: str
    before: str = ""
    after: str = ""
    fields: list[tuple[str, str, str]] = field(default_factory=list)


def changes(before: Contract, after: Contract) -> list[Change]:
    """Return what changed: removed rules first, then changed and added ones in their order."""
    old = {rule.key: rule for rule in before.rules}
    new = {rule.key: rule for rule in after.rules}
    found = [Change("removed", key, before=_said(rule)) for key, rule in old.items() if key not in new]
    for key, rule in new.items():
        if key not in old:
            found.append(Change("added", key, after=_said(rule)))
        elif old[key] != rule:
            found.append(Change("changed", key, _said(old[key]), _said(rule), _fields(old[key], rule)))
    return found


def _said(rule: Rule) -> str:
    return f"{rule.words} ({rule.severity})"


def _fields(before: Rule, after: Rule) -> list[tuple[str, str, str]]:
    old, new = document_of(before), document_of(after)
    found = []
    for name in {**old, **new}:
        a, b = old.get(name), new.get(name)
        if a == b:
            continue
        if isinstance(a, list) and isinstance(b, list):
            found.append((name, _listed([v for v in a if v not in set(b)]), _listed([v for v in b if v not in set(a)])))
        else:
            found.append((name, _shown(a), _shown(b)))
    return found


def _listed(values: list[Any]) -> str:
    few = ", ".join(map(str, values[:MOST_SHOWN]))
    return few + (f" and {len(values) - MOST_SHOWN} more" if len(values) > MOST_SHOWN else "")


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
