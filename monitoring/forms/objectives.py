"""Forms of monitoring's pages. They check shape and types; services hold the rules."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet

from monitoring.models import SLICES, Slo
from monitoring.quality.metrics import BY_KIND
from monitoring.services import EDGES_MS, SPANS, WINDOW_DAYS, Terms, terms_of
from registry.forms.controls import MODEL_NAME, style_controls
from registry.models import ModelVersion, RegisteredModel

WINDOWS = [
    ("Rolling", [(str(days), f"Last {days} days" if days > 1 else "Last 24 hours") for days in WINDOW_DAYS]),
    ("Of the calendar", [(unit.value, f"This {unit.value}") for unit in Slo.Unit]),
]
METRICS = {name: metric for metrics in BY_KIND.values() for name, metric in metrics.items()}
AGE_UNITS = {"60": "minutes", "3600": "hours", "86400": "days"}
# Where the form names a field otherwise than the service.
FIELDS = {
    "objective": "percent", "window_days": "window", "calendar": "window", "input_slice": "only",
    "max_age_s": "max_age", "maturity_s": "maturity", "min_coverage": "coverage",
}  # fmt: skip
LENGTHS = [("", "Each request counts"), *((str(seconds), f"Slices of {words}") for seconds, words in SLICES.items())]


class SloForm(forms.Form):
    """What every kind of objective asks; each kind adds its own."""

    kind = ""
    own: tuple[str, ...] = ()  # asked first
    model = forms.ModelChoiceField(
        RegisteredModel.objects.none(), to_field_name="name", widget=forms.TextInput(MODEL_NAME),
        error_messages={"invalid_choice": "None of the models whose objectives you may set is called %(value)s."},
    )  # fmt: skip
    percent = forms.DecimalField(
        min_value=0, max_value=100, decimal_places=3, initial=Decimal("99.9"), label="Good requests, in per cent",
        help_text="99.9 leaves 43 minutes of complete failure in 30 days.",
    )  # fmt: skip
    window = forms.ChoiceField(choices=WINDOWS, initial="30", label="Over")
    time_zone = forms.CharField(
        initial="UTC", max_length=50, help_text="Whose days, weeks and months; such as Europe/Berlin."
    )  # fmt: skip
    slice_s = forms.ChoiceField(
        choices=LENGTHS, required=False, label="What the budget counts",
        help_text="With slices the budget counts spans of time: a slice is good if enough of its requests are.",
    )  # fmt: skip
    slice_target = forms.FloatField(
        required=False,
        label="A slice is good from",
        help_text="Share of good requests, such as 0.99; for slices alone.",
    )
    only = forms.CharField(
        required=False, max_length=500, label="Only requests with",
        help_text="input=value, several parted by commas; such as origin=JFK. Empty for all requests.",
    )  # fmt: skip
    name = forms.CharField(required=False, max_length=63, help_text="Small letters, digits, hyphens; empty: made up.")
    description = forms.CharField(required=False, widget=forms.Textarea({"rows": 2}))

    def __init__(
        self, *args: object, models: QuerySet[RegisteredModel], slo: Slo | None = None, **kwargs: object
    ) -> None:
        if slo:
            kwargs["initial"] = self.shown(slo)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.order_fields(["model", *self.own])
        if slo:
            del self.fields["model"]
            self.fields["reason"] = forms.CharField(
                label="Why it changes", widget=forms.Textarea({"rows": 2}), help_text="Kept in the audit trail."
            )
        else:
            field = self.fields["model"]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
            field.queryset = models
        style_controls(self)

    def clean_only(self) -> dict[str, str]:
        """Return the slice of inputs."""
        found = {}
        for part in filter(None, (part.strip() for part in self.cleaned_data["only"].split(","))):
            name, sign, value = part.partition("=")
            if not sign:
                raise forms.ValidationError(f"{part} is not input=value.")
            found[name.strip()] = value.strip()
        return found

    def terms(self) -> Terms:
        """Return what was asked for."""
        asked = self.cleaned_data
        window = asked["window"]
        length = int(asked["slice_s"]) if asked.get("slice_s") else None
        terms: Terms = {
            "kind": self.kind, "objective": asked["percent"] / Decimal(100), "time_zone": asked["time_zone"],
            "window_days": int(window) if window.isdigit() else None, "calendar": "" if window.isdigit() else window,
            "budgeting": "timeslices" if length else "occurrences", "slice_s": length,
            "slice_target": asked.get("slice_target"), "input_slice": asked["only"],
            "name": asked["name"], "description": asked["description"],
        }  # fmt: skip
        return terms

    def shown(self, slo: Slo) -> dict[str, Any]:
        """Return an objective as the form shows it."""
        terms = terms_of(slo)
        return {
            **terms,
            "percent": f"{(slo.objective * 100).normalize():f}",
            "window": slo.calendar or str(slo.window_days),
            "slice_s": str(slo.slice_s or ""),
            "only": ", ".join(f"{name}={value}" for name, value in slo.input_slice.items()),
        }


class AvailabilityForm(SloForm):
    """Requests are answered and do not fail."""

    kind = "availability"


class LatencyForm(SloForm):
    """Answers come within a limit."""

    kind = "latency"
    own = ("threshold_ms",)
    threshold_ms = forms.TypedChoiceField(
        choices=[(f"{edge:g}", f"{edge:g} ms") for edge in EDGES_MS], coerce=float, initial="50", label="Within",
        help_text="Latencies are counted in bins with these edges.",
    )  # fmt: skip

    def terms(self) -> Terms:
        """Return what was asked for."""
        return {**super().terms(), "threshold_ms": self.cleaned_data["threshold_ms"]}

    def shown(self, slo: Slo) -> dict[str, Any]:
        """Return an objective as the form shows it."""
        return {**super().shown(slo), "threshold_ms": f"{slo.threshold_ms:g}"}


class FreshnessForm(SloForm):
    """An input is not older than a limit."""

    kind = "freshness"
    own = ("column", "column_holds", "max_age", "age_unit")
    column = forms.CharField(
        max_length=255, label="Input that tells", help_text="Its value in the request is looked at."
    )
    column_holds = forms.ChoiceField(
        choices=[("instant", "when it was taken (ISO 8601, or seconds since 1970)"), ("age", "its age in seconds")],
        label="It holds",
    )
    max_age = forms.IntegerField(min_value=1, initial=1, label="Fresh up to")
    age_unit = forms.TypedChoiceField(choices=list(AGE_UNITS.items()), coerce=int, initial="3600", label="Unit")

    def terms(self) -> Terms:
        """Return what was asked for."""
        asked = self.cleaned_data
        return {
            **super().terms(), "column": asked["column"], "column_holds": asked["column_holds"],
            "max_age_s": asked["max_age"] * asked["age_unit"],
        }  # fmt: skip

    def shown(self, slo: Slo) -> dict[str, Any]:
        """Return an objective as the form shows it."""
        seconds = slo.max_age_s or 0
        unit = next((length for length in (86_400, 3600) if seconds % length == 0), 60)
        return {**super().shown(slo), "max_age": seconds // unit, "age_unit": str(unit)}


class CostForm(SloForm):
    """A thousand predictions cost no more than a limit."""

    kind = "cost"
    own = ("slice_target", "slice_s")
    slice_target = forms.FloatField(
        label="At most, for 1,000 predictions", min_value=0, help_text="In the currency of the model's prices."
    )  # fmt: skip
    slice_s = forms.ChoiceField(
        choices=LENGTHS[1:],
        initial="3600",
        label="Judged in",
        help_text="A slice is good if its predictions cost no more.",
    )
    percent = forms.DecimalField(
        min_value=0, max_value=100, decimal_places=3, initial=Decimal(95), label="Good slices, in per cent"
    )  # fmt: skip


class QualityForm(SloForm):
    """Predictions turn out right, as labels tell later."""

    kind = "quality"
    own = ("metric", "slice_target", "slice_s", "maturity", "coverage")
    metric = forms.ChoiceField(
        choices=[(name, metric.label) for name, metric in METRICS.items()], label="Metric",
        help_text="Not every model's labels tell each of them.",
    )  # fmt: skip
    slice_target = forms.FloatField(
        required=False, label="A span is good from",
        help_text="The value of the metric; up to it where less is better. Empty for a share of right ones: each counts.",
    )  # fmt: skip
    slice_s = forms.ChoiceField(
        choices=[(str(seconds), words) for seconds, words in SPANS.items()], initial="86400", label="Told by spans of"
    )
    maturity = forms.FloatField(
        required=False, min_value=0, label="Labels are due after, in hours",
        help_text="Until then a span is provisional. Empty: as the model's quality policy says.",
    )  # fmt: skip
    coverage = forms.FloatField(
        required=False, min_value=0, max_value=100, label="Labels needed, in per cent of the predictions",
        help_text="Below it a span is no data. Empty: as the model's quality policy says.",
    )  # fmt: skip
    percent = forms.DecimalField(
        min_value=0, max_value=100, decimal_places=3, initial=Decimal(95), label="Good spans or right ones, in per cent"
    )  # fmt: skip

    def terms(self) -> Terms:
        """Return what was asked for."""
        asked = self.cleaned_data
        hours, share = asked["maturity"], asked["coverage"]
        return {
            **super().terms(), "metric": asked["metric"], "slice_s": int(asked["slice_s"]),
            "budgeting": "occurrences" if asked["slice_target"] is None else "timeslices",
            "maturity_s": None if hours is None else round(hours * 3600),
            "min_coverage": None if share is None else share / 100,
        }  # fmt: skip

    def shown(self, slo: Slo) -> dict[str, Any]:
        """Return an objective as the form shows it."""
        return {
            **super().shown(slo), "maturity": (slo.maturity_s or 0) / 3600,
            "coverage": round((slo.min_coverage or 0) * 100, 6),
        }  # fmt: skip


FORMS = {form.kind: form for form in (AvailabilityForm, LatencyForm, QualityForm, FreshnessForm, CostForm)}


class PriceForm(forms.Form):
    """Declare what predictions cost from now on."""

    version = forms.ModelChoiceField(
        ModelVersion.objects.none(),
        required=False,
        empty_label="All versions without their own",
        to_field_name="number",
    )
    per_1000 = forms.DecimalField(min_value=0, required=False, decimal_places=6, label="For 1,000 predictions")
    per_cpu_hour = forms.DecimalField(
        min_value=0, required=False, decimal_places=6, label="For a CPU-hour",
        help_text="Times the time that requests took in the gateway.",
    )  # fmt: skip
    currency = forms.CharField(max_length=3, help_text="ISO 4217, such as EUR.")
    reason = forms.CharField(label="Where the price comes from", widget=forms.Textarea({"rows": 2}))

    def __init__(self, *args: object, versions: QuerySet[ModelVersion], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["version"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = versions
        style_controls(self)

    def terms(self) -> dict[str, Any]:
        """Return what was declared."""
        asked = self.cleaned_data
        return {
            **asked,
            "per_1000": asked["per_1000"] or Decimal(0),
            "per_cpu_hour": asked["per_cpu_hour"] or Decimal(0),
        }


class OpenSloForm(forms.Form):
    """Import OpenSLO documents."""

    text = forms.CharField(
        strip=False, label="OpenSLO v1, YAML", widget=forms.Textarea({"rows": 16, "class": "form-control mono", "spellcheck": "false"}),
        help_text="One or several documents. The service of each is the name of a model.",
    )  # fmt: skip
    reason = forms.CharField(
        required=False,
        label="Why objectives change",
        help_text="Needed where the model has another objective of that name.",
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        style_controls(self)
