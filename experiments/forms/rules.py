"""A form of one rule, made from what its kind declares; and what it says put into a contract."""

from typing import Any, Literal, get_args, get_origin

import msgspec
from django import forms

from experiments.contracts.document import Contract, ContractError, contract_document, read_contract
from experiments.contracts.results import KIND_WORDS
from experiments.contracts.rules import KINDS, Rule

WIDGETS = {"class": "form-control"}
LABELS = {
    "max_share": "Share that may break it",
    "max_new_share": "Share of new values allowed",
    "max_change_share": "Change against the version before, at most",
    "max_age_hours": "Oldest allowed, hours",
    "max_age_minutes": "Longest silence, minutes",
    "min_per_hour": "Predictions an hour, at least",
    "max_per_hour": "Predictions an hour, at most",
    "min": "At least",
    "max": "At most",
    "values": "Known values",
    "pattern": "Pattern",
    "columns": "Columns",
    "allowed": "Other columns allowed",
    "strict": "Each later than the one before",
    "required": "Has to be there",
    "severity": "Where it does not hold",
    "reason": "Why, in plain words",
}
HELP = {
    "max_share": "0 to 1; 0.01 is one in a hundred.",
    "max_new_share": "0 to 1; 0.01 is one in a hundred.",
    "max_change_share": "0.5 is half as many rows, or half as many again.",
    "values": "One a line.",
    "columns": "One a line; together they must not repeat.",
    "allowed": "One a line.",
    "pattern": "A regular expression for the whole text, such as [A-Z]{2}\\d+.",
}
SEVERITIES = [("blocking", "stops the rows"), ("advisory", "is noted")]


class Lines(forms.Textarea):
    """A list, one value a line."""

    def format_value(self, value: Any) -> str | None:
        """Return the values below each other."""
        return "\n".join(value) if isinstance(value, list) else value


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = Lines

    def to_python(self, value: Any) -> Any:
        """Return the lines that hold something."""
        return [line.strip() for line in (value or "").splitlines() if line.strip()]


class RuleForm(forms.Form):
    """One rule of a kind. What is left empty is left out."""

    def __init__(self, kind: str, *args: Any, columns: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        declared = {field.encode_name: field for field in msgspec.structs.fields(KINDS[kind])}
        order = [
            "column",
            "columns",
            *(n for n in declared if n not in ("column", "columns", "severity", "reason")),
            "severity",
            "reason",
        ]
        for name in order:
            if name in declared:
                self.fields[name] = _field(name, declared[name], columns)

    @property
    def document(self) -> dict[str, Any]:
        """What was filled in, as a rule's document."""
        held = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        return {"kind": self.kind, **held}

    def put_into(self, contract: Contract, *, replaces: str) -> Contract | None:
        """Return the contract with this rule in place of the one with the key ``replaces``, or at its end; None: it is not sound."""
        if not self.is_valid():
            return None
        documents = contract_document(contract)["rules"]
        keys = [rule.key for rule in contract.rules]
        at = keys.index(replaces) if replaces in keys else len(keys)
        documents[at : at + 1] = [self.document]
        try:
            return read_contract({"rules": documents})
        except ContractError as error:
            field = error.field.removeprefix(f"rules[{at}]").lstrip(".").partition("[")[0]
            self.add_error(field if field in self.fields else None, error.message[:1].upper() + error.message[1:])
            return None


def without(contract: Contract, key: str) -> Contract:
    """Return the contract without one rule."""
    return Contract([rule for rule in contract.rules if rule.key != key])


def initial_of(rule: Rule) -> dict[str, Any]:
    """Return a rule's values as a form shows them."""
    values: dict[str, Any] = msgspec.to_builtins(rule)
    return values


def kinds() -> list[tuple[str, str]]:
    """Return the kinds that there are, with their words."""
    return [(kind, KIND_WORDS[kind]) for kind in KINDS]


def _field(name: str, declared: msgspec.structs.FieldInfo, columns: list[str]) -> forms.Field:
    common: dict[str, Any] = {
        "label": LABELS.get(name, name.replace("_", " ").capitalize()), "required": declared.required,
        "help_text": HELP.get(name, ""),
    }  # fmt: skip
    if declared.default is not msgspec.NODEFAULT:
        common["initial"] = declared.default
    if name == "severity":
        return forms.ChoiceField(choices=SEVERITIES, widget=forms.Select({"class": "form-select"}), **common)
    if name == "column":
        listed = [(column, column) for column in columns]
        return forms.ChoiceField(choices=listed, widget=forms.Select({"class": "form-select"}), **common)
    if name in ("columns", "values", "allowed"):
        return LinesField(widget=Lines({**WIDGETS, "rows": 6, "class": "form-control mono"}), **common)
    if get_origin(declared.type) is Literal:
        choices = [(word, word) for word in get_args(declared.type)]
        return forms.ChoiceField(choices=choices, widget=forms.Select({"class": "form-select"}), **common)
    if declared.type is bool:
        return forms.BooleanField(
            widget=forms.CheckboxInput({"class": "form-check-input"}), **{**common, "required": False}
        )
    kind = str(declared.type)
    if "int" in kind:
        return forms.IntegerField(widget=forms.NumberInput(WIDGETS), **common)
    if "float" in kind:
        return forms.FloatField(widget=forms.NumberInput({**WIDGETS, "step": "any"}), **common)
    return forms.CharField(max_length=500, widget=forms.TextInput(WIDGETS), **common)
