"""The evaluation plan of a model as a form: the fields that mean something for its task."""

from typing import Any

from django import forms

from experiments.plan_words import ABOUT, COSTS, LABELS, OF_TASK
from experiments.suites.plan import LEAST, MOST_PRICE, MOST_SEASON, Plan
from registry.forms.controls import style_controls

NAMES = ("slices", "groups", "hidden")
PRICES = ("cpu_hour_price", "query_price")
AMOUNT = "An amount, or the name of a column that holds each row's own."
HINTS = {
    "false_negative": f"{AMOUNT} Empty, with the one below: decisions are not priced.",
    "false_positive": AMOUNT,
    "true_positive": f"{AMOUNT} Empty: nothing. Negative: a gain.",
    "true_negative": "Empty: nothing.",
}


class PlanForm(forms.Form):
    """How versions of a model are measured, and why it changes.

    What the plan in force declares beyond the fields of the task stays as it is.
    """

    def __init__(self, *args: Any, plan: Plan, task: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan, self.asked = plan, OF_TASK[task]
        for name in self.asked:
            self.fields.update(_costs(plan) if name == "costs" else {name: _field(name, plan)})
        self.fields["reason"] = forms.CharField(
            max_length=1000, widget=forms.Textarea({"rows": 2}), label="Why is it measured this way?",
            help_text="Kept with the plan, for everybody who reads what was measured.",
        )  # fmt: skip
        style_controls(self)

    def document(self) -> dict[str, Any]:
        """Return the plan as plain values; what is wrong with it is the service's to say."""
        given, found = self.cleaned_data, self.plan.document()
        for name in self.asked:
            if name == "costs":
                found["costs"] = {cell: given[cell] for cell in COSTS if given[cell] != ""} or None
            elif name in NAMES:
                found[name] = [part for text in given[name].split(",") if (part := text.strip())]
            elif given[name] is None:
                found.pop(name, None)
            else:
                found[name] = given[name]
        return found

    def named(self, field: str | None) -> str | None:
        """Return the field that a refusal is about, as the form names it; None where it has none such."""
        name = (field or "").removeprefix("costs.")
        return name if name in self.fields else None


class _CellField(forms.CharField):
    """An amount, or the name of a column."""

    def clean(self, value: Any) -> float | str:
        """Return the amount as a number; anything else is a name."""
        text: str = super().clean(value)
        try:
            return float(text.replace(",", ""))
        except ValueError:
            return text


def _costs(plan: Plan) -> dict[str, forms.Field]:
    def shown(cell: str) -> Any:
        value = getattr(plan.costs, cell) if plan.costs else ""
        return f"{value:.10g}" if isinstance(value, float) else value

    return {
        cell: _CellField(required=False, max_length=200, label=label, help_text=HINTS[cell], initial=shown(cell))
        for cell, label in COSTS.items()
    }


def _field(name: str, plan: Plan) -> forms.Field:
    common: dict[str, Any] = {"label": LABELS[name], "help_text": ABOUT[name], "required": False}
    if name == "least_positives":
        return forms.IntegerField(
            min_value=LEAST, max_value=1_000_000, initial=plan.least_positives, **common | {"required": True}
        )
    if name == "season":
        return forms.IntegerField(
            min_value=1, max_value=MOST_SEASON, initial=plan.season, **common | {"required": True}
        )
    if name in PRICES:
        return forms.FloatField(
            min_value=0, max_value=MOST_PRICE, initial=getattr(plan, name) or None, widget=forms.NumberInput({"step": "any"}), **common
        )  # fmt: skip
    if name in NAMES:
        common["help_text"] += " Names of columns, separated by commas."
        return forms.CharField(max_length=4000, initial=", ".join(getattr(plan, name)), **common)
    return forms.CharField(max_length=200, initial=getattr(plan, name), **common)
