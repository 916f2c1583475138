"""The rules of a risk tier."""

from django import forms

from registry.forms.controls import style_controls
from registry.policies import NAMES, Policy
from registry.services.policies import LIMITS


def _whole(name: str, label: str, help_text: str, *, required: bool = True) -> forms.IntegerField:
    least, most = LIMITS[name]
    return forms.IntegerField(label=label, min_value=least, max_value=most, help_text=help_text, required=required)


class PolicyForm(forms.Form):
    """The rules of one risk tier."""

    approver = forms.IntegerField(label="Approvals by approvers", min_value=1, max_value=5)
    product = forms.IntegerField(label="Approvals by product", min_value=0, max_value=5)
    fresh_login_minutes = _whole(
        "fresh_login_minutes", "Log-in before a decision", "minutes old at most; empty: any age", required=False
    )
    max_evidence_days = _whole("max_evidence_days", "Oldest evidence", "days; empty: any age", required=False)
    min_budget = forms.FloatField(
        label="Error budget left", required=False, min_value=0, max_value=99,
        help_text="more than so many per cent; empty: no gate",
    )  # fmt: skip
    max_waiver_days = _whole("max_waiver_days", "Longest waiver", "days")
    revalidation_days = _whole("revalidation_days", "Re-validated every", "days")
    rollback_review_hours = _whole("rollback_review_hours", "Rollback reviewed within", "hours")
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
