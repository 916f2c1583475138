"""Forms of monitoring's pages. They check shape and types; services hold the rules."""

from decimal import Decimal

from django import forms
from django.db.models import QuerySet

from monitoring.models import Slo
from monitoring.services import EDGES_MS, WINDOW_DAYS
from registry.models import RegisteredModel


class SloForm(forms.Form):
    """Set an objective."""

    model = forms.ModelChoiceField(
        RegisteredModel.objects.none(), to_field_name="name", widget=forms.Select({"class": "form-select"})
    )
    kind = forms.ChoiceField(
        choices=[
            (Slo.Kind.AVAILABILITY, "Availability: requests are answered and do not fail"),
            (Slo.Kind.LATENCY, "Latency: answers come within a limit"),
        ],
        label="What is promised",
        widget=forms.Select({"class": "form-select"}),
    )
    percent = forms.DecimalField(
        min_value=0,
        max_value=100,
        decimal_places=3,
        initial=Decimal("99.9"),
        label="Good requests, in per cent",
        help_text="99.9 leaves 43 minutes of complete failure in 30 days.",
        widget=forms.NumberInput({"class": "form-control", "step": "any"}),
    )
    window_days = forms.TypedChoiceField(
        choices=[(days, f"{days} days" if days > 1 else "1 day") for days in WINDOW_DAYS],
        coerce=int,
        initial=30,
        label="Over the last",
        widget=forms.Select({"class": "form-select"}),
    )
    threshold_ms = forms.FloatField(
        required=False,
        label="Limit, in milliseconds",
        help_text=f"For latency alone; one of {', '.join(f'{edge:g}' for edge in EDGES_MS)}.",
        widget=forms.NumberInput({"class": "form-control", "step": "any"}),
    )

    def __init__(self, *args: object, models: QuerySet[RegisteredModel], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["model"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = models
