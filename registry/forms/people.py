"""Tokens, members, passwords."""

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import password_validators_help_texts
from django.db.models import QuerySet

from registry.errors import InvalidError
from registry.forms.controls import style_controls
from registry.models import ApiToken, Role, Team
from registry.selectors import models_named
from registry.services.tokens import MOST


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
        required=False,
        min_value=0.001,
        max_value=MOST,
        label="Requests a second",
        help_text="Empty: as many as the gateway allows.",
    )
    burst = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST,
        label="At once after a pause",
        help_text="Empty: as many as in one second.",
    )
    in_flight = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST,
        label="At the same time",
        help_text="Empty: as many as the gateway allows.",
    )
    BOUNDS = ("models", "requests_per_s", "burst", "in_flight")

    def __init__(self, *args: object, teams: QuerySet[Team], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["team"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
        field.queryset = teams
        style_controls(self)

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
        if values.get("burst") and not values.get("requests_per_s"):
            self.add_error(
                "burst", "Give the requests a second as well: this is how far a pause lets a caller exceed them."
            )
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
        style_controls(self)


class PasswordForm(PasswordChangeForm):
    """Change the own password."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["new_password1"].help_text = " ".join(password_validators_help_texts())  # Django's is a list
        self.fields["new_password2"].label = "New password, once more"
        self.label_suffix = ""
        style_controls(self)
