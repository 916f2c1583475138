"""Forms of the registry's pages. They check shape and types; services hold the rules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.db.models import QuerySet

from registry.errors import InvalidError
from registry.metric_words import WORDS
from registry.models import AcceptanceCriterion, ApiToken, RegisteredModel, Role, Task, Team, Webhook
from registry.policies import NAMES, Policy
from registry.selectors import models_named
from registry.webhooks.events import EVERY, MLFLOW_EVENTS, actions


def _controls(form: forms.Form) -> None:
    for field in form.fields.values():
        widget = field.widget
        if isinstance(widget, forms.CheckboxSelectMultiple):
            continue  # a class would go to the group as well
        if isinstance(widget, forms.CheckboxInput):
            widget.attrs.setdefault("class", "form-check-input")
        elif isinstance(widget, forms.Select):
            widget.attrs.setdefault("class", "form-select")
        else:
            widget.attrs.setdefault("class", "form-control")


class ModelForm(forms.Form):
    """Register a model."""

    team = forms.ModelChoiceField(Team.objects.none(), help_text="Its members see and run the model.")
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
        field.initial = teams.first()
        _controls(self)


class PromotionForm(forms.Form):
    """Ask that a version take the champion alias."""

    description = forms.CharField(
        widget=forms.Textarea({"rows": 3, "placeholder": "What changed, what got better, what got worse?"}),
        label="What the deciders should know",
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        _controls(self)


class CriterionForm(forms.Form):
    """One acceptance criterion."""

    metric = forms.ChoiceField(label="What is measured")
    # Initial values, so that a row left as it stands counts as empty.
    direction = forms.ChoiceField(
        choices=AcceptanceCriterion.Direction.choices, initial=AcceptanceCriterion.Direction.AT_LEAST, label="Has to be"
    )
    threshold = forms.FloatField(label="Target", help_text="In the metric's unit, such as 0.4 for 40 of 100.")
    data_slice = forms.CharField(
        required=False, max_length=200, label="Only rows where", help_text="Such as origin=JFK. Empty: all rows."
    )
    basis = forms.ChoiceField(
        choices=AcceptanceCriterion.Basis.choices, initial=AcceptanceCriterion.Basis.VALUE, label="Compared by"
    )
    data_set = forms.CharField(required=False, max_length=200, label="Measured on", help_text="Empty: any data set.")
    phase = forms.ChoiceField(
        choices=AcceptanceCriterion.Phase.choices, initial=AcceptanceCriterion.Phase.BEFORE_APPROVAL, label="Asked"
    )
    reason = forms.CharField(max_length=500, label="Why, as you would say it to a customer")
    against_champion = forms.BooleanField(required=False, label="The target is a margin over the champion")
    blocking = forms.BooleanField(required=False, initial=True, label="A miss blocks the promotion")

    def __init__(self, *args: object, metrics: Sequence[tuple[str, str]] = (), **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["metric"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = [("", "Choose a metric"), *metrics]
        self.fields["data_set"].widget.attrs["list"] = "data-sets"
        _controls(self)

    def clean_threshold(self) -> float:
        """Refuse what no measurement can be held against, such as 40 for a share."""
        threshold: float = self.cleaned_data["threshold"]
        if not math.isfinite(threshold):
            raise forms.ValidationError("Enter a number.")
        metric = str(self.data.get(self.add_prefix("metric"), ""))
        if metric in WORDS and WORDS[metric].most and abs(threshold) > 1:
            raise forms.ValidationError(
                f"This metric lies between 0 and 1: write {threshold / 100:g} for {threshold:g} of 100."
            )
        return threshold


MOST_CRITERIA = 50
CriteriaFormSet = forms.formset_factory(
    CriterionForm, extra=1, min_num=1, validate_min=True, max_num=MOST_CRITERIA, validate_max=True, can_delete=True
)


def champion_choices(model: RegisteredModel) -> list[tuple[int, str]]:
    """Return the former champions that a rollback may return to, latest first."""
    current = model.aliases.filter(name="champion").values_list("version_id", flat=True).first()
    moves = model.alias_moves.filter(name="champion", version__isnull=False).exclude(version_id=current)
    numbers = moves.order_by("-id").values_list("version__number", flat=True)
    return [(number, f"v{number}") for number in dict.fromkeys(n for n in numbers if n is not None)]


class TokenForm(forms.Form):
    """Make a token for oneself."""

    name = forms.CharField(max_length=100, help_text="What will use it, such as the nightly training.")
    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None, help_text="It sees this team's objects alone.")
    scopes = forms.MultipleChoiceField(
        choices=ApiToken.Scope.choices, initial=[ApiToken.Scope.READ], widget=forms.CheckboxSelectMultiple
    )
    days = forms.TypedChoiceField(
        label="Expires",
        choices=[(30, "in 30 days"), (90, "in 90 days"), (365, "in a year"), (0, "never")],
        coerce=int,
        initial=90,
    )
    models = forms.CharField(
        required=False, help_text="Names, with commas between them; empty for every model of the team."
    )
    requests_per_s = forms.FloatField(
        required=False, min_value=0.001, label="Requests a second", help_text="Empty: as many as the gateway allows."
    )
    burst = forms.IntegerField(
        required=False, min_value=1, label="At once after a pause", help_text="Empty: as many as in one second."
    )
    in_flight = forms.IntegerField(
        required=False, min_value=1, label="At the same time", help_text="Empty: as many as the gateway allows."
    )
    BOUNDS = ("models", "requests_per_s", "burst", "in_flight")

    def __init__(self, *args: object, teams: QuerySet[Team], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["team"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = teams
        _controls(self)

    def clean(self) -> dict[str, Any]:
        """Find the models by their names."""
        values = self.cleaned_data
        names = [name.strip() for name in values.get("models", "").split(",") if name.strip()]
        if names and "team" in values:
            try:
                values["models"] = models_named(values["team"], names)
            except InvalidError as error:
                self.add_error("models", str(error))
        elif not names:
            values["models"] = []
        if self.is_bounded() and ApiToken.Scope.PREDICT not in values.get("scopes", []):
            self.add_error(
                "scopes", "Models and limits bound predictions: choose that scope as well, or leave them empty."
            )
        return values

    def general(self) -> list[forms.BoundField]:
        """Return what every token has."""
        return [field for field in self if field.name not in self.BOUNDS]

    def bounds(self) -> list[forms.BoundField]:
        """Return what bounds predictions alone."""
        return [self[name] for name in self.BOUNDS]

    def is_bounded(self) -> bool:
        """Whether a bound was given, so that the page must show it."""
        return any(self.data.get(name) for name in self.BOUNDS)


class MemberForm(forms.Form):
    """Give a person a role in a team."""

    username = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        to_field_name="username",
        widget=forms.TextInput({"autocomplete": "off"}),
        label="User name",
        error_messages={"invalid_choice": "Nobody has this user name. Who keeps this installation makes people."},
    )
    role = forms.ChoiceField(choices=Role.choices, help_text="A person has one role in a team. Admins do not approve.")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        _controls(self)


class PasswordForm(PasswordChangeForm):
    """Change the own password."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["new_password2"].label = "New password, once more"
        self.label_suffix = ""
        _controls(self)


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
    reason = forms.CharField(max_length=500, label="Why, kept with the policy")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        _controls(self)

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


@dataclass(frozen=True)
class EventChoice:
    """One event that a webhook may ask for, and whether it does."""

    name: str
    meaning: str
    chosen: bool


@dataclass(frozen=True)
class EventGroup:
    """Events of one kind; ``whole`` asks for all of them, those to come as well."""

    title: str
    whole: EventChoice | None
    events: list[EventChoice]

    @property
    def chosen_count(self) -> int:
        """How many of them are asked for by name."""
        return sum(event.chosen for event in self.events)


class WebhookForm(forms.Form):
    """Make or change a webhook."""

    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None, help_text="It is told of this team's objects.")
    name = forms.CharField(max_length=63, help_text="Such as pager or ci. Letters, digits, dots, hyphens, underscores.")
    url = forms.CharField(
        max_length=500,
        label="URL",
        widget=forms.URLInput({"placeholder": "https://hooks.example.com/control-plane"}),
        help_text="A public address over https. Members of the team see it, so put no secret into it.",
    )
    description = forms.CharField(
        max_length=1000, required=False, help_text="What listens there, and who looks after it."
    )
    events = forms.MultipleChoiceField(error_messages={"required": "Choose at least one event."})

    def __init__(
        self,
        *args: object,
        teams: QuerySet[Team] | None = None,
        flavour: str = Webhook.Flavour.STANDARD,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.flavour = flavour
        if teams is None:
            del self.fields["team"]
        else:
            field = self.fields["team"]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
            field.queryset = teams
        choices = [choice.name for group in self.groups() for choice in (group.whole, *group.events) if choice]
        events = self.fields["events"]
        assert isinstance(events, forms.MultipleChoiceField)  # noqa: S101  declared above
        events.choices = [(name, name) for name in (EVERY, *choices)]
        _controls(self)

    @property
    def plain_fields(self) -> list[forms.BoundField]:
        """Return the fields but the events, which the template lays out by group."""
        return [field for field in self if field.name != "events"]

    @property
    def everything(self) -> bool | None:
        """Whether every event is asked for; None where that cannot be asked for."""
        return None if self.flavour == Webhook.Flavour.MLFLOW else EVERY in self._chosen()

    def groups(self) -> list[EventGroup]:
        """Return the events to choose from, by kind."""
        ours = self.flavour == Webhook.Flavour.STANDARD
        known = actions() if ours else {name: ", ".join(fields) for name, fields in MLFLOW_EVENTS.items()}
        chosen, groups = self._chosen(), dict[str, list[EventChoice]]()
        for name, meaning in known.items():
            groups.setdefault(name.partition(".")[0], []).append(EventChoice(name, meaning, name in chosen))
        return [
            EventGroup(
                title,
                EventChoice(f"{title}.*", "", f"{title}.*" in chosen) if ours else None,
                events,
            )
            for title, events in sorted(groups.items())
        ]

    def _chosen(self) -> set[str]:
        return set(self["events"].value() or [])
