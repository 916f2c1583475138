"""Forms of the pages. They check shape and types; services hold the rules."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from experiments.measuring import measurable
from experiments.models import BatchScoring, DatasetVersion, TrainingRun
from experiments.training.params import Parameter, parameters
from registry.models import ModelVersion, RegisteredModel, Team

WIDGETS = {"class": "form-control"}


class DatasetForm(forms.Form):
    """Make a data set."""

    team = forms.ModelChoiceField(
        Team.objects.none(), empty_label=None, widget=forms.Select({"class": "form-select"}),
        help_text="Its members see the rows and train on them.",
    )  # fmt: skip
    name = forms.CharField(
        max_length=100, widget=forms.TextInput(WIDGETS), help_text="Lower-case letters, digits and hyphens."
    )
    description = forms.CharField(
        required=False,
        widget=forms.Textarea({**WIDGETS, "rows": 3}),
        help_text="What one row is, and where it is from.",
    )

    def __init__(self, *args: Any, teams: QuerySet[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["team"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = teams


class DeclaredForm(forms.Form):
    """The parameters that a pipeline or builder declares, each with its default and limits."""

    def __init__(self, declared: type, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update({parameter.name: _field(parameter) for parameter in parameters(declared)})


class DataForm(forms.Form):
    """Choose the rows to train on; those of the model's last training are offered first."""

    dataset_version = forms.ModelChoiceField(
        DatasetVersion.objects.none(), label="Data set version", empty_label=None,
        widget=forms.Select({"class": "form-select"}), help_text="Newest first.",
    )  # fmt: skip

    def __init__(self, *args: Any, model: RegisteredModel, versions: QuerySet[DatasetVersion], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["dataset_version"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = versions
        last = TrainingRun.objects.filter(version__model=model, dataset_version__in=versions).order_by("-id").first()
        field.initial = last and last.dataset_version_id


class MeasureForm(forms.Form):
    """Choose the rows to measure on; those of the version's training are offered first."""

    dataset_version = forms.ModelChoiceField(
        DatasetVersion.objects.none(),
        label="Measure on",
        empty_label=None,
        widget=forms.Select({"class": "form-select"}),
    )

    def __init__(self, *args: Any, version: ModelVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = measurable(version)
        run = TrainingRun.objects.filter(version=version, dataset_version__in=offered).first()
        field = self.fields["dataset_version"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = (
            DatasetVersion.objects.filter(pk__in=[data.pk for data in offered])
            .select_related("dataset")
            .order_by("-id")
        )
        field.initial = run and run.dataset_version_id


class BatchForm(forms.Form):
    """Choose what is scored: rows of a data set, or files of the team's folder."""

    dataset_version = forms.ModelChoiceField(
        DatasetVersion.objects.none(), required=False, label="Data set version", empty_label="None: files of the folder below",
        widget=forms.Select({"class": "form-select"}), help_text="All its rows, newest version first.",
    )  # fmt: skip
    place = forms.CharField(
        required=False, max_length=500, label="File, folder or table", widget=forms.TextInput({**WIDGETS, "class": "form-control mono"}),
    )  # fmt: skip
    format = forms.ChoiceField(
        choices=BatchScoring.Format, required=False, label="Format of the files", widget=forms.Select({"class": "form-select"}),
        help_text="In CSV the first line names the columns; an empty cell is a missing value.",
    )  # fmt: skip
    keep = forms.CharField(
        required=False, label="Columns to keep", widget=forms.TextInput({**WIDGETS, "class": "form-control mono"}),
        help_text="Written beside each prediction, such as the one that names a row; separate them by commas.",
    )  # fmt: skip
    horizon = forms.IntegerField(
        required=False, min_value=1, widget=forms.NumberInput(WIDGETS),
        help_text="Steps to forecast; empty: as many as the version's signature says.",
    )  # fmt: skip

    def __init__(
        self, *args: Any, versions: QuerySet[DatasetVersion], folder: str, forecasts: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["dataset_version"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = versions
        self.fields["place"].help_text = f"Within {folder}"
        if not forecasts:
            del self.fields["horizon"]

    def clean_keep(self) -> list[str]:
        """Return the names."""
        return [name for part in self.cleaned_data["keep"].split(",") if (name := part.strip())]


def _field(parameter: Parameter) -> forms.Field:
    limits: dict[str, Any] = {"min_value": parameter.min, "max_value": parameter.max}
    common: dict[str, Any] = {
        "label": parameter.label, "help_text": parameter.help.capitalize(), "initial": parameter.default,
    }  # fmt: skip
    if parameter.type is int:
        return forms.IntegerField(widget=forms.NumberInput(WIDGETS), **limits, **common)
    if parameter.type is float:
        return forms.FloatField(widget=forms.NumberInput({**WIDGETS, "step": "any"}), **limits, **common)
    if parameter.type is bool:
        return forms.BooleanField(required=False, widget=forms.CheckboxInput({"class": "form-check-input"}), **common)
    if parameter.choices:
        return forms.ChoiceField(choices=parameter.choices, widget=forms.Select({"class": "form-select"}), **common)
    return forms.CharField(widget=forms.TextInput(WIDGETS), **common)
