"""Registering a model, asking for a promotion, going back."""

from django import forms
from django.db.models import QuerySet

from registry.forms.controls import style_controls
from registry.models import RegisteredModel, Task, Team


class ModelForm(forms.Form):
    """Register a model."""

    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None, help_text="Its members see and run the model.")
    name = forms.CharField(max_length=256, help_text="Short and lasting, such as flight-delay. Callers use it.")
    task = forms.ChoiceField(choices=Task.choices)
    risk_tier = forms.TypedChoiceField(
        choices=[(1, "Tier 1: highest risk, two approvals"), (2, "Tier 2: one approval"), (3, "Tier 3: one approval")],
        coerce=int,
        initial=2,
    )
    purpose = forms.CharField(
        widget=forms.Textarea({"rows": 3}), help_text="Which decision it serves, in words a customer would understand."
    )

    def __init__(self, *args: object, teams: QuerySet[Team], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["team"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = teams
        style_controls(self)


class PromotionForm(forms.Form):
    """Ask that a version take the champion alias."""

    description = forms.CharField(
        widget=forms.Textarea({"rows": 3, "placeholder": "What changed, what got better, what got worse?"}),
        label="What the deciders should know",
    )
    mends_budget = forms.CharField(
        widget=forms.Textarea(
            {"rows": 2, "placeholder": "What spent the budget, and why it does not happen with this version"}
        ),
        required=False,
        label="If it mends what spent the error budget, say how",
        help_text="A spent budget blocks every promotion but one that mends it. An approver who had no part in the version confirms what "
        "you say here, on the promotion's page. Leave it empty otherwise.",
    )
    own_plan = forms.BooleanField(required=False, label="Roll it out by a plan of its own, which I write next")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        style_controls(self)


def champion_choices(model: RegisteredModel) -> list[tuple[int, str]]:
    """Return the former champions that a rollback may return to, latest first."""
    current = model.aliases.filter(name="champion").values_list("version_id", flat=True).first()
    moves = model.alias_moves.filter(name="champion", version__isnull=False).exclude(version_id=current)
    numbers = moves.order_by("-id").values_list("version__number", flat=True)
    return [(number, f"v{number}") for number in dict.fromkeys(n for n in numbers if n is not None)]
