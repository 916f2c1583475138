"""The rule of a kind of alert: when it is raised and cleared, who is told, and how a team's own rule changes it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

GROUPINGS = ("cause", "model", "alert")
SEVERITIES = ("warning", "critical")
LIMITS = {  # (least, most)
    "breaches": (1, 100), "breach_minutes": (0, 1440), "goods": (1, 100), "good_minutes": (0, 1440), "flap_minutes": (0, 1440),
    "notify_minutes": (0, 1440), "escalate_minutes": (0, 10080),
}  # fmt: skip


class RuleError(ValueError):
    """A rule is not acceptable; ``field`` says where."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Rule:
    """What holds for one kind of alert.

    Attributes:
        enabled: whether looks raise it at all.
        severity: ``warning`` or ``critical``; empty: as the look says.
        breaches: looks in a row that have to find it before it is raised.
        breach_minutes: for how long they have to find it (min).
        goods: looks in a row that have to find nothing before it is cleared.
        good_minutes: for how long they have to find nothing (min).
        flap_minutes: what comes back so soon after it was cleared is the same alert (min).
        notify_minutes: between two messages about one group (min).
        escalate_minutes: after which one that nobody took on turns critical and is told again (min); 0: never.
        owner: ``role:engineer`` or ``person:maria``; empty: whoever the kind is for.
        runbook: path or https address; empty: the chapter that comes with the product.
        group_by: what is one group: a ``cause`` of a model, all of a ``model``, or each ``alert``.
    """

    enabled: bool = True
    severity: str = ""
    breaches: int = 1
    breach_minutes: int = 0
    goods: int = 1
    good_minutes: int = 0
    flap_minutes: int = 30
    notify_minutes: int = 30
    escalate_minutes: int = 0
    owner: str = ""
    runbook: str = ""
    group_by: str = "cause"


NAMES = tuple(field.name for field in fields(Rule))
LABELS = {
    "enabled": "Raised at all", "severity": "Severity", "breaches": "Looks that find it before it is raised",
    "breach_minutes": "Minutes it lasts before it is raised", "goods": "Good looks before it is cleared",
    "good_minutes": "Minutes of good looks before it is cleared", "flap_minutes": "Minutes within which it comes back as the same",
    "notify_minutes": "Minutes between two messages", "escalate_minutes": "Minutes until it escalates", "owner": "Owner",
    "runbook": "Runbook", "group_by": "Grouped by",
}  # fmt: skip


def as_json(rule: Rule) -> dict[str, Any]:
    """Return a rule's fields."""
    return asdict(rule)


def changed(rule: Rule, *layers: Mapping[str, Any]) -> Rule:
    """Return ``rule`` with the changes of each layer made to it, the later ones last."""
    for layer in layers:
        rule = replace(rule, **layer)
    return rule


def checked(changes: Mapping[str, Any], *, fixed: bool = False) -> dict[str, Any]:
    """Return changes of a rule that are acceptable.

    Args:
        fixed: the kind can neither be switched off nor put off by repeated looks.

    Raises:
        RuleError: names the field that is unknown or has no acceptable value.
    """
    for name, value in changes.items():
        if name not in NAMES:
            raise RuleError(f"A rule has no field {name}; it has {', '.join(NAMES)}.", field=name)
        if name == "enabled":
            _want(isinstance(value, bool), "enabled is true or false.", name)
            _want(value or not fixed, "This kind cannot be switched off: an auditor relies on it.", name)
        elif name in LIMITS:
            least, most = LIMITS[name]
            whole = isinstance(value, int) and not isinstance(value, bool)
            _want(whole and least <= value <= most, f"{name} must be a whole number from {least} to {most}.", name)
        else:
            _want(isinstance(value, str), f"{name} must be a text.", name)
    text = {name: str(changes.get(name, "")) for name in ("severity", "owner", "runbook")}
    _want(
        text["severity"] in ("", *SEVERITIES), "severity is warning, critical, or empty: as the look says.", "severity"
    )
    _want(changes.get("group_by", "cause") in GROUPINGS, f"group_by is one of {', '.join(GROUPINGS)}.", "group_by")
    kind, _, who = text["owner"].partition(":")
    _want(
        not text["owner"] or (kind in ("role", "person") and bool(who)),
        "owner is role:engineer or person:maria.",
        "owner",
    )
    runbook = text["runbook"]
    local = runbook.startswith("/") and not runbook.startswith(("//", "/\\"))
    good = not runbook or local or runbook.startswith("https://")
    _want(
        good and len(runbook) <= 500 and runbook.isprintable(), "runbook is a path here or an https address.", "runbook"
    )
    return dict(changes)


def _want(holds: bool, message: str, field: str) -> None:
    if not holds:
        raise RuleError(message, field=field)
