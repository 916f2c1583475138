"""The plan as a form: rows for steps, guardrails and freezes, in the same units as its YAML."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms

from registry.forms.controls import style_controls
from rollouts.plans import units
from rollouts.plans.checks import MEANT_FOR, MOST_FREEZES, MOST_GUARDRAILS, MOST_STEPS
from rollouts.plans.parts import Kind
from rollouts.plans.plan import Freeze, Guardrail, Plan, PlanError, Shadow, Step, read_plan
from rollouts.plans.text import SPELLED

KINDS: dict[Kind, str] = {
    "errors": "Errors: the server's faults",
    "timeouts": "Timeouts: no answer in time",
    "slow": "Slow answers: beyond a latency",
    "output": "Outputs: scores above or below a bound",
    "mean": "Mean of an output",
    "agreement": "Agreement with the champion, in shadow",
    "pairs": "Difference of both answers, in shadow",
    "paired_errors": "Failures of either answer, in shadow",
    "paired_quality": "Right answers of either, in shadow, by labels",
    "quality": "Quality by labels that come later",
}
LOSSES = {
    "": "none",
    "correct": "Wrong answers",
    "absolute_error": "Absolute error",
    "squared_error": "Squared error",
    "log_loss": "Log loss",
}
DIRECTIONS = {"": "neither way is worse", "true": "higher is better", "false": "lower is better"}


class UnitField(forms.CharField):
    """A field in people's units; its value is what the plan holds."""

    def __init__(self, field: str, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 60)
        super().__init__(**kwargs)
        _, self._read, self._show = SPELLED[field]

    def prepare_value(self, value: Any) -> Any:
        """Return the value as it is typed."""
        return value if isinstance(value, str) or value is None else self._show(value)

    def clean(self, value: Any) -> Any:
        """Return what the typed text stands for."""
        text = super().clean(value)
        if text in ("", None):
            return None
        try:
            return self._read(text)
        except ValueError as error:
            raise forms.ValidationError(f"Write {error}.") from None


class DaysField(forms.MultipleChoiceField):
    """Days of the week, from 0, Monday."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=list(enumerate(units.WEEKDAYS)), **kwargs)

    def clean(self, value: Any) -> list[int]:
        """Return the chosen days as numbers."""
        return [int(day) for day in super().clean(value)]


class PartForm(forms.Form):
    """A part of the plan, as a form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style_controls(self)

    def part(self) -> dict[str, Any]:
        """Return the plain values of the plan; what was left empty goes without saying."""
        return {
            name: value for name, value in self.cleaned_data.items() if value not in (None, "", []) and name != "DELETE"
        }


class PlanForm(PartForm):
    """What holds for the whole plan."""

    alpha = UnitField(
        "alpha",
        label="Chance to roll back a version that is no worse",
        help_text="Over all guardrails and looks together, such as 5%.",
    )
    has_shadow = forms.BooleanField(
        required=False, label="Begin with a shadow phase: the candidate is asked, and answers nobody"
    )
    share_bp = UnitField("share_bp", required=False, label="Share of requests it is asked", help_text="Such as 100%.")
    duration_s = UnitField("duration_s", required=False, label="Shadow lasts at least", help_text="Such as 1h or 2d.")
    min_pairs = forms.IntegerField(required=False, min_value=1, label="Requests both answered, at least")
    promote_gate = forms.BooleanField(required=False, label="A person takes the last step, from a pass to 100%")
    key_column = forms.CharField(
        required=False,
        max_length=200,
        label="Input column that routes",
        help_text="Where callers send no X-Route-Key. Empty: each request by itself.",
    )
    max_duration_s = UnitField(
        "max_duration_s", label="Longest", help_text="What is undecided then waits for a person. Such as 7d."
    )


class StepForm(PartForm):
    """One step."""

    weight_bp = UnitField("weight_bp", label="Weight", help_text="Such as 5%.")
    hold_s = UnitField("hold_s", label="Hold", help_text="Such as 30m.")
    min_requests = forms.IntegerField(min_value=1, label="Requests", help_text="Answered by the candidate.")
    min_callers = forms.IntegerField(
        required=False, min_value=0, label="Different callers", help_text="Or failures, whichever is met."
    )
    min_failures = forms.IntegerField(required=False, min_value=0, label="Failures of both arms")
    gate = forms.BooleanField(required=False, label="A person lets it begin")


class GuardrailForm(PartForm):
    """One guardrail; which fields mean something depends on its kind."""

    name = forms.CharField(max_length=60, label="Name")
    kind = forms.ChoiceField(choices=list(KINDS.items()), initial="errors", label="What is compared")
    margin = forms.FloatField(
        label="Margin",
        help_text="Of failures and paired answers: the ratio of risks or odds that a pass rules out, such as 2. Of means: the allowed difference. Of agreement: the least share.",
    )
    alpha_share = forms.FloatField(
        required=False, label="Share of the chance", help_text="Relative to the others; 1 for an equal one."
    )
    decides = forms.BooleanField(required=False, initial=True, label="100% needs its pass")
    threshold_ms = UnitField(
        "threshold_ms", required=False, label="Slower than", help_text="Such as 15ms. Empty: the champion's p99 before."
    )
    output = forms.CharField(required=False, max_length=100, label="Output", help_text="Empty: the first one.")
    above = forms.FloatField(required=False, label="Counted above")
    below = forms.FloatField(required=False, label="Counted below")
    cut = forms.FloatField(required=False, label="Decides yes from")
    tolerance = forms.FloatField(required=False, min_value=0, label="Alike within")
    higher_is_better = forms.ChoiceField(choices=list(DIRECTIONS.items()), required=False, label="Direction")
    loss = forms.ChoiceField(choices=list(LOSSES.items()), required=False, label="Loss against the label")
    maturity_s = UnitField("maturity_s", required=False, label="Labels expected after", help_text="Such as 2d.")

    MORE = tuple(MEANT_FOR)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, kinds in MEANT_FOR.items():  # the page shows it for these alone
            self.fields[name].kinds = kinds  # type: ignore[attr-defined]

    def part(self) -> dict[str, Any]:
        """Return the plain values of the plan."""
        values = super().part() | {"decides": self.cleaned_data["decides"]}
        if "higher_is_better" in values:
            values["higher_is_better"] = values["higher_is_better"] == "true"
        return values


class FreezeForm(PartForm):
    """A time in which nothing begins or advances."""

    reason = forms.CharField(max_length=200, label="Why nothing moves", help_text="Who waits reads it.")
    starts_at = forms.CharField(
        required=False, max_length=40, label="Once from", help_text="With its offset: 2026-12-24T18:00+01:00."
    )
    ends_at = forms.CharField(required=False, max_length=40, label="until")
    days = DaysField(required=False, label="Or every week on")
    from_time = forms.CharField(required=False, max_length=10, label="from", help_text="Such as 18:00.")
    to_time = forms.CharField(
        required=False, max_length=10, label="to", help_text="An earlier time is of the next day."
    )
    time_zone = forms.CharField(
        required=False, max_length=60, initial="UTC", label="Time zone", help_text="Such as Europe/Berlin."
    )


if TYPE_CHECKING:  # only its stub takes a parameter
    BaseRows = forms.BaseFormSet[PartForm]
else:
    BaseRows = forms.BaseFormSet


class RowsFormSet(BaseRows):
    """Rows of one kind; a row can be left out."""

    def add_fields(self, form: PartForm, index: int | None) -> None:
        """Add the tick that leaves a row out, in the kit's look."""
        super().add_fields(form, index)
        style_controls(form)

    def parts(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the number and plain values of each row that is filled in and not left out."""
        kept = [
            (i, form) for i, form in enumerate(self.forms) if form.has_changed() and not form.cleaned_data.get("DELETE")
        ]
        return [(i, form.part()) for i, form in kept]


def _rows(form: type[PartForm], most: int) -> type[RowsFormSet]:
    made = forms.formset_factory(form, formset=RowsFormSet, extra=0, max_num=most, validate_max=True, can_delete=True)
    assert issubclass(made, RowsFormSet)  # noqa: S101  what it was asked to extend
    return made


StepRows, GuardrailRows, FreezeRows = (
    _rows(StepForm, MOST_STEPS),
    _rows(GuardrailForm, MOST_GUARDRAILS),
    _rows(FreezeForm, MOST_FREEZES),
)
ROWS: dict[str, Callable[..., RowsFormSet]] = {"steps": StepRows, "guardrails": GuardrailRows, "freezes": FreezeRows}
EMPTY: dict[str, dict[str, str]] = {
    "steps": {"hold_s": "30m", "min_requests": "1000"},
    "guardrails": {"margin": "2", "decides": "on", "alpha_share": "1"},
    "freezes": {"time_zone": "UTC"},
}


class PlanForms:
    """The forms that make a plan: its own fields, and one set of rows for each list."""

    def __init__(self, plan: Plan | None = None, data: Mapping[str, Any] | None = None) -> None:
        self.plan: Plan | None = None
        if data is not None:
            self.whole = PlanForm(data, prefix="p")
            self.rows = {name: make(data, prefix=name) for name, make in ROWS.items()}
            return
        assert plan is not None  # noqa: S101  one of both
        self.whole = PlanForm(prefix="p", initial=_of_plan(plan))
        self.rows = {
            name: make(prefix=name, initial=[_of_row(row) for row in getattr(plan, name)])
            for name, make in ROWS.items()
        }

    def is_valid(self) -> bool:
        """Read the plan into ``plan``; False where something is missing, and then a form says what."""
        forms_are = [self.whole.is_valid(), *(rows.is_valid() for rows in self.rows.values())]
        if not all(forms_are):
            return False
        values = self.whole.part()
        shadow = {field: values.pop(field) for field in Shadow.__struct_fields__ if field in values}
        places: dict[str, list[int]] = {}
        document: dict[str, Any] = {
            name: values[name] for name in ("alpha", "key_column", "max_duration_s") if name in values
        }
        document["promote_gate"] = self.whole.cleaned_data["promote_gate"]
        if self.whole.cleaned_data["has_shadow"]:
            document["shadow"] = shadow
        for name, rows in self.rows.items():
            parts = rows.parts()
            places[name] = [i for i, _ in parts]
            document[name] = [part for _, part in parts]
        try:
            self.plan = read_plan(document)
        except PlanError as error:
            self._say(error, places)
        return self.plan is not None

    def _say(self, error: PlanError, places: dict[str, list[int]]) -> None:
        """Put an error of the plan to the field that it is about."""
        part, _, field = error.field.rpartition(".")
        name, _, place = part.rstrip("]").partition("[")
        said = f"{error.message[:1].upper()}{error.message[1:]}."
        if name in self.rows and place.isdigit():
            form = self.rows[name].forms[places[name][int(place)]]
            form.add_error(field if field in form.fields else None, said)
        else:
            self.whole.add_error(
                field if field in self.whole.fields else None,
                said if field in self.whole.fields else f"{error.field}: {error.message}",
            )

    @property
    def error_count(self) -> int:
        """How many fields need a look."""
        counts: list[int] = [rows.total_error_count() for rows in self.rows.values()]
        return len(self.whole.errors) + sum(counts)


def _of_plan(plan: Plan) -> dict[str, Any]:
    shadow = plan.shadow or Shadow()
    return {name: getattr(plan, name) for name in ("alpha", "promote_gate", "key_column", "max_duration_s")} | {
        "has_shadow": plan.shadow is not None, "share_bp": shadow.share_bp, "duration_s": shadow.duration_s, "min_pairs": shadow.min_pairs,
    }  # fmt: skip


def _of_row(row: Step | Guardrail | Freeze) -> dict[str, Any]:
    values = {field: getattr(row, field) for field in row.__struct_fields__}
    if isinstance(row, Guardrail):
        usual = Guardrail(row.name, row.kind)
        values = {
            field: "" if field in GuardrailForm.MORE and value == getattr(usual, field) else value
            for field, value in values.items()
        }
        better = row.higher_is_better
        values["higher_is_better"] = "" if better is None else str(better).lower()
    return values
