"""Acceptance criteria."""

import math
from collections.abc import Sequence

from django import forms

from registry.forms.controls import style_controls
from registry.metric_words import WORDS
from registry.models import AcceptanceCriterion


class CriterionForm(forms.Form):
    """One acceptance criterion."""

    metric = forms.ChoiceField(label="What is measured")
    # Initial values, so that a row left as it stands counts as empty.
    direction = forms.ChoiceField(
        choices=AcceptanceCriterion.Direction.choices, initial=AcceptanceCriterion.Direction.AT_LEAST, label="Has to be"
    )
    threshold = forms.FloatField(label="Target", help_text="In the metric's unit, such as 0.4 for 40 of 100.")
    data_slice = forms.CharField(
        required=False, max_length=200, label="Only rows where", help_text="Such as origin=JFK. Empty: all rows."
    )
    basis = forms.ChoiceField(
        choices=AcceptanceCriterion.Basis.choices, initial=AcceptanceCriterion.Basis.VALUE, label="Compared by"
    )
    data_set = forms.CharField(required=False, max_length=200, label="Measured on", help_text="Empty: any data set.")
    phase = forms.ChoiceField(
        choices=AcceptanceCriterion.Phase.choices, initial=AcceptanceCriterion.Phase.BEFORE_APPROVAL, label="Asked"
    )
    reason = forms.CharField(max_length=500, label="Why, as you would say it to a customer")
    against_champion = forms.BooleanField(required=False, label="The target is a margin over the champion")
    blocking = forms.BooleanField(required=False, initial=True, label="A miss blocks the promotion")

    def __init__(self, *args: object, metrics: Sequence[tuple[str, str]] = (), **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["metric"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = [("", "Choose a metric"), *metrics]
        self.fields["data_set"].widget.attrs["list"] = "data-sets"
        style_controls(self)

    def clean_threshold(self) -> float:
        """Refuse what no measurement can be held against, such as 40 for a share."""
        threshold: float = self.cleaned_data["threshold"]
        if not math.isfinite(threshold):
            raise forms.ValidationError("Enter a number.")
        metric = str(self.data.get(self.add_prefix("metric"), ""))
        if metric in WORDS and WORDS[metric].most and abs(threshold) > 1:
            raise forms.ValidationError(
                f"This metric lies between 0 and 1: write {threshold / 100:g} for {threshold:g} of 100."
            )
        return threshold


MOST_CRITERIA = 50
CriteriaFormSet = forms.formset_factory(
    CriterionForm, extra=1, min_num=1, validate_min=True, max_num=MOST_CRITERIA, validate_max=True, can_delete=True
)
