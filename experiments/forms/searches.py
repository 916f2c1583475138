"""The form of a search: what the pipeline declares is filled in, so that one click begins it."""

from dataclasses import dataclass
from typing import Any

from django import forms

from experiments.forms.data import WIDGETS
from experiments.models import Search
from experiments.searching.objectives import Objective
from experiments.searching.space import OF_THE_TRAINING, declared_space
from experiments.training.params import Parameter, parameters

SELECT, CHECK = {"class": "form-select"}, {"class": "form-check-input"}


class SearchForm(forms.Form):
    """How the search goes about it."""

    metric = forms.ChoiceField(label="Objective", widget=forms.Select(SELECT))
    size = forms.IntegerField(label="Trials", initial=30, widget=forms.NumberInput(WIDGETS))
    parallel = forms.IntegerField(
        label="At once", initial=2, widget=forms.NumberInput(WIDGETS), help_text="On as many workers as are free."
    )
    folds = forms.IntegerField(
        initial=0, widget=forms.NumberInput(WIDGETS),
        help_text="0: measured on the validation rows. 2 to 10: the mean over folds of the training rows, the later after the earlier.",
    )  # fmt: skip
    pruner = forms.ChoiceField(
        choices=Search.Pruner, label="Stop trials early", initial=Search.Pruner.MEDIAN, widget=forms.Select(SELECT)
    )
    sampler = forms.ChoiceField(
        choices=Search.Sampler, label="Choose parameters", initial=Search.Sampler.TPE, widget=forms.Select(SELECT)
    )
    seed = forms.IntegerField(
        initial=7, widget=forms.NumberInput(WIDGETS), help_text="Of the choices; a trial's own is among its parameters."
    )
    time_limit_minutes = forms.IntegerField(
        required=False, label="Time limit, minutes", widget=forms.NumberInput(WIDGETS),
        help_text="No trial begins later; empty: none.",
    )  # fmt: skip
    register_best = forms.BooleanField(
        required=False, label="Train and register the best at the end", widget=forms.CheckboxInput(CHECK)
    )

    def __init__(self, *args: Any, objectives: tuple[Objective, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["metric"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.initial = objectives[0].metric
        field.choices = [(one.metric, f"{one.label}, {one.direction}") for one in objectives]

    @property
    def asked(self) -> dict[str, Any]:
        """What the service takes."""
        values = dict(self.cleaned_data)
        minutes = values.pop("time_limit_minutes")
        return {**values, "time_limit_s": None if minutes is None else minutes * 60}


@dataclass(frozen=True)
class SpaceRow:
    """One parameter of the form, as bound fields; those that its kind has none of are None."""

    parameter: Parameter
    searched: forms.BoundField | None
    low: forms.BoundField | None
    high: forms.BoundField | None
    log: forms.BoundField | None
    fixed: forms.BoundField
    errors: list[str]


class SpaceForm(forms.Form):
    """For each parameter: whether it is searched, and where; or the value that it keeps."""

    def __init__(self, declared: type, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parameters = [one for one in parameters(declared) if one.name not in OF_THE_TRAINING]
        space = declared_space(declared)
        for one in self.parameters:
            label, found = one.label, space.get(one.name, {})
            number = one.type in (int, float)
            kind: Any = forms.IntegerField if one.type is int else forms.FloatField if number else forms.CharField
            attrs = {**WIDGETS, "step": "any" if one.type is float else "1"} if number else WIDGETS
            widget: Any = forms.NumberInput if number else forms.TextInput

            def named(what: str, base: dict[str, Any], label: str = label) -> dict[str, Any]:
                return {**base, "aria-label": f"{label}: {what}"}

            if one.choices:
                self.fields[f"fixed-{one.name}"] = forms.ChoiceField(
                    choices=one.choices, initial=one.default, widget=forms.Select(named("value", SELECT))
                )
            elif one.type is bool:
                self.fields[f"fixed-{one.name}"] = forms.BooleanField(
                    required=False, initial=one.default, widget=forms.CheckboxInput(named("value", CHECK))
                )
            else:
                self.fields[f"fixed-{one.name}"] = kind(
                    required=False, initial=one.default, widget=widget(named("value", attrs))
                )
            if one.name == "seed" or one.type is str:
                continue
            self.fields[f"searched-{one.name}"] = forms.BooleanField(
                required=False, initial=one.name in space, widget=forms.CheckboxInput(named("search", CHECK))
            )
            if number:
                for end in ("low", "high"):
                    what = {"low": "from", "high": "to"}[end]
                    self.fields[f"{end}-{one.name}"] = kind(
                        required=False, initial=found.get(end), widget=widget(named(what, attrs))
                    )
                self.fields[f"log-{one.name}"] = forms.BooleanField(
                    required=False,
                    initial=found.get("log", False),
                    widget=forms.CheckboxInput(named("by ratios", CHECK)),
                )

    def rows(self) -> list[SpaceRow]:
        """Return the parameters as the template prints them."""
        return [self._row(one) for one in self.parameters]

    def _row(self, one: Parameter) -> SpaceRow:
        searched, low, high, log, fixed = (
            self[name] if (name := f"{part}-{one.name}") in self.fields else None
            for part in ("searched", "low", "high", "log", "fixed")
        )
        assert fixed is not None  # noqa: S101  every parameter has a value
        errors = [str(text) for field in (searched, low, high, log, fixed) if field for text in field.errors]
        return SpaceRow(one, searched, low, high, log, fixed, errors)

    def clean(self) -> dict[str, Any]:
        """See that what is searched has ends."""
        for one in self.parameters:
            if self.cleaned_data.get(f"searched-{one.name}") and one.type is not bool:
                for end in ("low", "high"):
                    if self.cleaned_data.get(f"{end}-{one.name}") is None and f"{end}-{one.name}" not in self.errors:
                        self.add_error(
                            f"{end}-{one.name}",
                            f"Say {'from' if end == 'low' else 'up to'} where {one.name} is searched.",
                        )
        return self.cleaned_data

    @property
    def space(self) -> dict[str, Any]:
        """Where each searched parameter is looked for."""
        found = {}
        for one in self.parameters:
            if self.cleaned_data.get(f"searched-{one.name}"):
                found[one.name] = {"choices": [False, True]} if one.type is bool else {
                    end: self.cleaned_data[f"{end}-{one.name}"] for end in ("low", "high", "log")
                }  # fmt: skip
        return found

    @property
    def params(self) -> dict[str, Any]:
        """The values of the others; an empty one has its default."""
        given = {one.name: self.cleaned_data[f"fixed-{one.name}"] for one in self.parameters}
        return {name: value for name, value in given.items() if name not in self.space and value not in (None, "")}

    def refuse(self, field: str, text: str) -> bool:
        """Put a service's refusal beside the parameter that it names; False where it names none."""
        part, _, name = field.partition("/")
        place = f"low-{name}" if part == "space" and f"low-{name}" in self.fields else f"fixed-{name}"
        if place not in self.fields:
            return False
        self.add_error(place, text)
        return True
