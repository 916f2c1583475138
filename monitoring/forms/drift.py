"""The form of how a model's inputs are watched. It checks shape and types; services hold the rules."""

from django import forms

from monitoring.drift.features import SCORE
from monitoring.models import DriftPolicy
from registry.forms.controls import style_controls


class DriftPolicyForm(forms.Form):
    """How a model's inputs are watched."""

    window_hours = forms.IntegerField(
        label="Short window, in hours", min_value=1, max_value=24,
        help_text="Looked at every minute; the last day is looked at as well. 24: the day alone, for traffic that differs by the hour.",
    )  # fmt: skip
    effect_floor = forms.FloatField(
        label="Smallest shift that counts",
        help_text="In standard deviations of the reference; shares count in proportion.",
    )
    alpha = forms.FloatField(
        label="False alarms of one feature", help_text="Accepted, as a share: 0.01 is one look in a hundred."
    )
    fdr = forms.FloatField(
        label="Wrong ones among those found", help_text="Accepted, as a share, however many features there are."
    )
    muted = forms.MultipleChoiceField(
        label="Muted features", required=False, help_text="Measured and shown, but they raise no alert.",
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    slices = forms.MultipleChoiceField(
        label="Slices of full reports", required=False, widget=forms.CheckboxSelectMultiple,
        help_text="Up to three categories, each value of which is compared for itself. None: categories of up to six values.",
    )  # fmt: skip
    report_cron = forms.CharField(
        label="Full reports", required=False, max_length=100, help_text="Minute, hour, day of the month, month, day of the week, such as 0 6 * * 1-5. Empty: on demand.",
    )  # fmt: skip
    report_zone = forms.CharField(label="Time zone of the schedule", max_length=60, help_text="Such as Europe/Berlin.")
    sample_rows = forms.IntegerField(
        label="Predictions of a full report", help_text="At most so many of the latest; 1,000 to 50,000."
    )
    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=2000,
        help_text="Stays with the policy.",
        widget=forms.Textarea({"rows": 2}),
    )

    def __init__(self, *args: object, policy: DriftPolicy, inputs: dict[str, str], **kwargs: object) -> None:
        values = {name: getattr(policy, name) for name in self.base_fields if name != "reason"}
        super().__init__(*args, initial=values, **kwargs)  # type: ignore[arg-type,misc]
        style_controls(self)
        of_text = [name for name, kind in inputs.items() if kind in ("string", "boolean")]
        for field, names in (("muted", [*inputs, SCORE]), ("slices", of_text)):
            kept = [name for name in values[field] if name not in names]
            self.fields[field].choices = [(name, name) for name in [*names, *kept]]  # type: ignore[attr-defined]
