"""The form of a model's quality policy. It checks shape and types; the service holds the rules."""

from typing import Any

from django import forms

from monitoring.models.quality import QualityPolicy
from monitoring.quality.metrics import BY_KIND, METRICS
from monitoring.quality.sums import Kind
from monitoring.selectors.quality_policy import slices_said

HOURS = 3600
KINDS = {
    Kind.PROBABILITY: "Whether something happens: a probability against yes or no",
    Kind.NUMBER: "How much: a number against a number",
    Kind.CATEGORY: "Which one: a name against a name",
    Kind.RANKING: "In which order: scores of a request's rows against their grades",
}
NAMED = {"maturity_s": "maturity_hours", "watched_s": "watched_hours", "min_coverage": "min_coverage_percent"}


def _number(**more: Any) -> forms.FloatField:
    return forms.FloatField(widget=forms.NumberInput({"class": "form-control", "step": "any"}), **more)


def _plain(value: float) -> float:
    """Return a number as people write it: four digits after the point tell each second of an hour, and whole numbers have none."""
    rounded = round(value, 4)
    return int(rounded) if rounded.is_integer() else rounded


class QualityPolicyForm(forms.Form):
    """What a label is compared with, when it is due, and what is watched."""

    kind = forms.ChoiceField(required=False, label="What is predicted", widget=forms.Select({"class": "form-select"}))
    output = forms.CharField(
        required=False, max_length=200, label="Which output is judged", help_text="Empty: the first one that fits.",
        widget=forms.TextInput({"class": "form-control"}),
    )  # fmt: skip
    threshold = _number(
        label="Decision threshold", help_text="A probability from here on is a yes; of probabilities alone."
    )
    tolerance = _number(
        required=False, label="Tolerance", help_text="A number within it is right; of numbers alone. Empty: none is."
    )  # fmt: skip
    maturity_hours = _number(
        label="Labels are due after, in hours",
        help_text="What was predicted later is provisional, and no alert rests on it.",
    )
    min_coverage_percent = _number(
        label="Least coverage, in per cent", help_text="With fewer labelled predictions nothing is judged."
    )  # fmt: skip
    slices = forms.CharField(
        required=False, label="Slices counted apart",
        help_text="One input a line with its values, such as origin=JFK, EWR, LGA. At most 20 values in all.",
        widget=forms.Textarea({"class": "form-control", "rows": 3}),
    )  # fmt: skip
    metric = forms.ChoiceField(
        required=False, label="Metric that is watched", widget=forms.Select({"class": "form-select"})
    )
    limit = _number(
        required=False, label="Its limit", help_text="An alert is raised once the metric is surely beyond it."
    )
    watched_hours = _number(
        label="Judged over, in hours", help_text="Of predictions whose labels are due, taken together."
    )
    reason = forms.CharField(
        required=False, max_length=2000, label="Why", help_text="Stays with the change.",
        widget=forms.Textarea({"class": "form-control", "rows": 2}),
    )  # fmt: skip

    def __init__(self, data: Any = None, *, policy: QualityPolicy) -> None:
        initial = {
            "kind": policy.kind, "output": policy.output, "threshold": policy.threshold, "tolerance": policy.tolerance,
            "maturity_hours": _plain(policy.maturity_s / HOURS), "min_coverage_percent": _plain(100 * policy.min_coverage),
            "slices": slices_said(policy.slices, "\n"), "metric": policy.metric, "limit": policy.limit,
            "watched_hours": _plain(policy.watched_s / HOURS),
        }  # fmt: skip
        super().__init__(data, initial=initial)
        kind, metric = self.fields["kind"], self.fields["metric"]
        assert isinstance(kind, forms.ChoiceField) and isinstance(metric, forms.ChoiceField)  # noqa: PT018, S101  declared above
        kind.choices = [("", "As its task has it"), *((kind.value, words) for kind, words in KINDS.items())]
        metric.choices = [("", "None"), *((name, METRICS[name].label) for of in BY_KIND.values() for name in of)]

    def clean_slices(self) -> dict[str, list[str]]:
        """Read ``column=value, value`` line by line."""
        found: dict[str, list[str]] = {}
        for line in filter(str.strip, self.cleaned_data["slices"].splitlines()):
            column, equals, values = line.partition("=")
            if not equals:
                raise forms.ValidationError(f"{line.strip()[:60]} names no values; write column=value, value.")
            found.setdefault(column.strip(), []).extend(filter(None, map(str.strip, values.split(","))))
        return found

    def changes(self) -> dict[str, Any]:
        """Return the fields as the service takes them."""
        of = dict(self.cleaned_data)
        return of | {
            "maturity_s": round(of.pop("maturity_hours") * HOURS), "watched_s": round(of.pop("watched_hours") * HOURS),
            "min_coverage": of.pop("min_coverage_percent") / 100,
        }  # fmt: skip

    @staticmethod
    def named(field: str) -> str | None:
        """Return the field of the form that holds one of the policy; None for one that has none."""
        return NAMED.get(field)
