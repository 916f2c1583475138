"""The form of a retraining policy, and a policy as a form: each filled line of conditions is one of them."""

import json
from typing import Any

from django import forms

from experiments.pipelines.catalogue import PIPELINES
from monitoring.retraining.parts import AUTOMATION_WORDS, GROUPS, Condition, Policy
from monitoring.selectors.quality import quality_metrics
from monitoring.services.retraining_policies import compared_in
from registry.criteria import metric_label
from registry.models import STANDING_TIER, RegisteredModel

HOUR_S = 3600
PERCENT = 100
# Field of the form → field of the policy, and how many of the policy's unit one of the form's is.
PLAIN = {
    "pipeline": ("pipeline", None), "dataset": ("dataset", None), "window_days": ("window_days", 1),
    "maturity_hours": ("maturity_s", HOUR_S), "with_parent": ("with_parent", None), "min_labels": ("min_labels", 1),
    "held_out_percent": ("held_out", 1 / PERCENT), "validation_percent": ("validation", 1 / PERCENT),
    "metric": ("metric", None), "better_by": ("better_by", 1), "cooldown_hours": ("cooldown_s", HOUR_S),
    "runs_per_week": ("runs_per_week", 1), "automation": ("automation", None), "look_every_s": ("look_every_s", 1),
}  # fmt: skip
WHOLE = ("maturity_s", "cooldown_s", "min_labels", "runs_per_week", "look_every_s")
# Kind of a condition → its fields in the form, by the condition's own; the first one makes it a condition.
LINES: list[tuple[str, dict[str, tuple[str, float | None]]]] = [
    ("schedule", {"cron": ("schedule_cron", None), "time_zone": ("schedule_zone", None)}),
    ("drift", {"features": ("drift_features", None)}),
    ("drift", {"share": ("drift_percent", 1 / PERCENT)}),
    ("drift", {"feature": ("drift_feature", None)}),
    ("drift", {"severity": ("drift_severity", None)}),
    ("quality", {"metric": ("quality_metric", None), "below": ("quality_below", None), "above": ("quality_above", None),
                 "spans": ("quality_spans", None), "span_s": ("quality_hours", HOUR_S), "early": ("quality_early", None),
                 "part": ("quality_part", None)}),
    ("labels", {"labels": ("labels", None)}),
    ("budget", {"left_below": ("budget_percent", 1 / PERCENT), "objective": ("budget_objective", None)}),
]  # fmt: skip
AUTOMATION = [(name, words.capitalize()) for name, words in AUTOMATION_WORDS.items()]
MATCH = [("any", "one of the conditions below holds"), ("all", "all of the conditions below hold")]


def _number(**attrs: Any) -> forms.NumberInput:
    return forms.NumberInput({"class": "form-control", "step": "any", **attrs})


def _text(placeholder: str = "") -> forms.TextInput:
    return forms.TextInput({"class": "form-control", "placeholder": placeholder})


def _select() -> forms.Select:
    return forms.Select({"class": "form-select"})


def _float(label: str, help_text: str = "", **kwargs: Any) -> forms.FloatField:
    return forms.FloatField(label=label, help_text=help_text, widget=_number(), **kwargs)


def _int(label: str, help_text: str = "", **kwargs: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=help_text, widget=_number(), **kwargs)


class PolicyForm(forms.Form):
    """When a model is trained anew, on what, and how far that goes by itself."""

    match = forms.ChoiceField(choices=MATCH, label="It begins when", widget=_select())
    schedule_cron = forms.CharField(
        required=False, label="By a schedule", widget=_text("0 2 * * 1"),
        help_text="Minute, hour, day of the month, month, day of the week: 0 2 * * 1 is Mondays at 2.",
    )  # fmt: skip
    schedule_zone = forms.CharField(required=False, label="in the time zone", widget=_text("Europe/Paris"))
    drift_features = _int("So many features have drifted", required=False)
    drift_percent = _float("Per cent of the features have drifted", required=False)
    drift_feature = forms.CharField(required=False, label="This feature has drifted", widget=_text("temp"))
    drift_severity = forms.ChoiceField(
        required=False, label="An alert of drift is open", widget=_select(),
        choices=[("", "no condition"), ("warning", "warning or worse"), ("critical", "critical")],
    )  # fmt: skip
    quality_metric = forms.ChoiceField(
        required=False, label="Quality, as labels tell it", widget=_select(),
    )  # fmt: skip
    quality_below = _float("is surely below", "The whole interval lies below it.", required=False)
    quality_above = _float("or surely above", "For errors, where less is better.", required=False)
    quality_hours = _float("in spans of hours", required=False, initial=24)
    quality_spans = _int("so many in a row", required=False, initial=1)
    quality_early = forms.BooleanField(
        required=False, label="before all labels of a span are due",
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )  # fmt: skip
    quality_part = forms.CharField(
        required=False, label="of this part alone", widget=_text("origin=JFK"), help_text="Empty: all predictions."
    )
    labels = _int("So many labelled predictions are new", "Since the last training.", required=False)
    budget_percent = _float("Less than so many per cent of an error budget are left", required=False)
    budget_objective = forms.CharField(
        required=False, label="of this objective", widget=_text(), help_text="Empty: any of the model's."
    )
    dataset = forms.ChoiceField(
        label="Data set", widget=_select(), help_text="The frozen rows become its next version; criteria may name it."
    )
    window_days = _float("Learn from the last so many days", "By the time of the prediction.", initial=30)
    maturity_hours = _float(
        "Labels take so many hours",
        "Younger predictions wait; the parts of the rows are as far from each other.",
        initial=24,
    )
    with_parent = forms.BooleanField(
        required=False, label="Learn from the champion's own training rows too",
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )  # fmt: skip
    min_labels = _int("Labelled predictions at least", "Fewer hold it.", initial=2000)
    held_out_percent = _float("Held out, in per cent", "The newest rows; neither version has seen them.", initial=25)
    validation_percent = _float("For validation, in per cent", "The rows before those.", initial=15)
    pipeline = forms.ChoiceField(
        label="Pipeline", widget=_select(), choices=[(name, one.title) for name, one in PIPELINES.items()]
    )
    params = forms.JSONField(
        required=False, label="Parameters", initial=dict, help_text="As JSON; what is left out is as usual.",
        widget=forms.Textarea({"class": "form-control mono", "rows": 4, "spellcheck": "false"}),
    )  # fmt: skip
    metric = forms.ChoiceField(
        label="Better than the champion in", widget=_select(), help_text="On the same rows: more of it, or less where less is better.",
    )  # fmt: skip
    better_by = _float("by more than", "The worse end of the interval on the same rows is above it.", initial=0)
    automation = forms.ChoiceField(
        label="By itself",
        widget=_select(),
        choices=AUTOMATION,
        initial="promotion",
    )
    cooldown_hours = _float("Pause after the last one, in hours", initial=24)
    runs_per_week = _int("At most so many a week", initial=2)
    quiet_begins = forms.CharField(required=False, label="Quiet from", widget=_text("22:00"))
    quiet_ends = forms.CharField(required=False, label="until", widget=_text("06:00"))
    quiet_zone = forms.CharField(required=False, label="in the time zone", widget=_text("Europe/Paris"))
    look_every_s = _int("Look at conditions every so many seconds", initial=60)
    reason = forms.CharField(
        label="What changed, and why; it stays with the policy",
        widget=forms.Textarea({"class": "form-control", "rows": 2}),
    )

    def __init__(self, *args: Any, model: RegisteredModel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = model.team.datasets.values_list("name", flat=True)
        self.fields["dataset"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        compared = [(name, metric_label(name)) for name in compared_in(model)]
        self.fields["metric"].choices = compared  # type: ignore[attr-defined]
        told = [(name, metric_label(name)) for name in quality_metrics(model)]
        self.fields["quality_metric"].choices = [("", "no condition"), *told]  # type: ignore[attr-defined]
        if model.risk_tier != STANDING_TIER:
            self.fields["automation"].choices = [one for one in AUTOMATION if one[0] != "champion"]  # type: ignore[attr-defined]
        self.lines: list[str] = []  # the form's field of each condition, by its place

    def document(self) -> dict[str, Any]:
        """Return the policy that the form says, whose fields were right each by itself."""
        said = self.cleaned_data
        document: dict[str, Any] = {"when": {"kind": said["match"], "conditions": self._conditions()}}
        for field, (name, unit) in PLAIN.items():
            value = said[field]
            document[name] = value if unit is None else value * unit
            if name in WHOLE:
                document[name] = round(document[name])
        document["params"] = said["params"] or {}
        if any(said[name] for name in ("quiet_begins", "quiet_ends")):
            document["quiet"] = {
                "begins": said["quiet_begins"],
                "ends": said["quiet_ends"],
                "time_zone": said["quiet_zone"],
            }
        return document

    def _conditions(self) -> list[dict[str, Any]]:
        found = []
        for kind, fields in LINES:
            first = next(iter(fields.values()))[0]
            if self.cleaned_data[first] in (None, ""):
                continue
            condition: dict[str, Any] = {"kind": kind}
            for name, (field, unit) in fields.items():
                value = self.cleaned_data[field]
                if value not in (None, ""):
                    condition[name] = value if unit is None else value * unit
                if name == "span_s" and name in condition:
                    condition[name] = round(condition[name])
            self.lines.append(first)
            found.append(condition)
        return found

    def refuse(self, field: str, message: str) -> None:
        """Show a refusal of the service beside the field that it names."""
        head, _, rest = field.partition("]")
        if head.startswith("when.conditions[") and head[16:].isdigit() and int(head[16:]) < len(self.lines):
            line = self.lines[int(head[16:])]
            fields = next(fields for _, fields in LINES if next(iter(fields.values()))[0] == line)
            shown = fields.get(rest.lstrip("."), (line, None))[0]
        else:
            quiet = {"quiet.begins": "quiet_begins", "quiet.ends": "quiet_ends", "quiet.time_zone": "quiet_zone"}
            by_name = {name: form for form, (name, _) in PLAIN.items()} | quiet
            shown = "params" if field.startswith("params") else by_name.get(field, field)
        self.add_error(shown if shown in self.fields else None, message)


def initial_of(policy: Policy) -> dict[str, Any] | None:
    """Return what the form begins with; None where the form cannot say what the policy does."""
    if any(one.kind in GROUPS for one in policy.when.conditions):
        return None
    initial: dict[str, Any] = {"match": policy.when.kind, "params": policy.params}
    for condition in policy.when.conditions:
        line = _line_of(condition)
        if next(iter(line.values()))[0] in initial:
            return None
        for name, (field, unit) in line.items():
            value = getattr(condition, name)
            if value not in (None, ""):
                initial[field] = _shown(value, unit)
    for field, (name, unit) in PLAIN.items():
        value = getattr(policy, name)
        initial[field] = _shown(value, unit)
    if policy.quiet:
        initial |= {
            "quiet_begins": policy.quiet.begins,
            "quiet_ends": policy.quiet.ends,
            "quiet_zone": policy.quiet.time_zone,
        }
    return initial


def _shown(value: Any, unit: float | None) -> Any:
    """Return a value in the form's unit, whole where it is."""
    if unit is None:
        return value
    number = round(value / unit, 6)
    return int(number) if number == int(number) else number


def _line_of(condition: Condition) -> dict[str, tuple[str, float | None]]:
    return next(
        fields for kind, fields in LINES
        if kind == condition.kind and getattr(condition, next(iter(fields))) not in (None, "")
    )  # fmt: skip


class TextForm(forms.Form):
    """A policy as JSON, which can say all that a policy can."""

    document = forms.JSONField(
        label="Policy", widget=forms.Textarea({"class": "form-control mono", "rows": 24, "spellcheck": "false"})
    )
    reason = forms.CharField(
        label="What changed, and why; it stays with the policy",
        widget=forms.Textarea({"class": "form-control", "rows": 2}),
    )

    def refuse(self, field: str, message: str) -> None:
        """Show a refusal of the service with the path that it names."""
        self.add_error("reason" if field == "reason" else "document", f"{field}: {message}" if field else message)


def as_text(document: dict[str, Any]) -> str:
    """Return a policy as people edit it."""
    return json.dumps(document, indent=2)
