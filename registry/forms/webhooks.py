"""Webhooks, and the events that they may ask for."""

from dataclasses import dataclass

from django import forms
from django.db.models import QuerySet

from registry.forms.controls import style_controls
from registry.models import Team, Webhook
from registry.webhooks.events import EVERY, MLFLOW_EVENTS, actions


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
        style_controls(self)

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
