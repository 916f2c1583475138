"""The rules of a risk tier."""

from django import forms

from registry.forms.controls import style_controls
from registry.policies import NAMES, Policy


class PolicyForm(forms.Form):
    """The rules of one risk tier."""

    approver = forms.IntegerField(label="Approvals by approvers", min_value=1, max_value=5)
    product = forms.IntegerField(label="Approvals by product", min_value=0, max_value=5)
    fresh_login_minutes = forms.IntegerField(
        label="Log-in before a decision", required=False, min_value=1, help_text="minutes old at most; empty: any age"
    )
    max_evidence_days = forms.IntegerField(
        label="Oldest evidence", required=False, min_value=1, help_text="days; empty: any age"
    )
    min_budget = forms.FloatField(
        label="Error budget left", required=False, min_value=0, max_value=99,
        help_text="more than so many per cent; empty: no gate",
    )  # fmt: skip
    max_waiver_days = forms.IntegerField(label="Longest waiver", min_value=1, help_text="days")
    revalidation_days = forms.IntegerField(label="Re-validated every", min_value=1, help_text="days")
    rollback_review_hours = forms.IntegerField(label="Rollback reviewed within", min_value=1, help_text="hours")
    block_overdue = forms.BooleanField(label="Overdue re-validation blocks", required=False)
    rollout_required = forms.BooleanField(label="Rollout before champion", required=False)
    reason = forms.CharField(max_length=500, label="Why, kept with the policy")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        style_controls(self)

    @staticmethod
    def values(policy: Policy) -> dict[str, object]:
        """Return a policy as the form shows it."""
        shown = policy.as_json()
        required = shown.pop("required")
        budget = None if policy.min_budget is None else policy.min_budget * 100
        return {**shown, "approver": 0, "product": 0, **required, "min_budget": budget}

    def rules(self) -> dict[str, object]:
        """Return what was filled in, as the service takes it."""
        rules = {name: value for name, value in self.cleaned_data.items() if name in NAMES}
        share = rules["min_budget"]
        required = {role: self.cleaned_data[role] for role in ("approver", "product")}
        return {**rules, "required": required, "min_budget": None if share is None else share / 100}
