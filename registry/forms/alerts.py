"""Forms around alerts: a rule, a silence, a channel, and how one wants mail."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.utils import timezone

from registry.alerting import rules
from registry.alerting.kinds import KINDS, Kind
from registry.forms.controls import MODEL_NAME, style_controls
from registry.models import Alert, AlertPreference, Channel, Membership, Role, Team

ANY = ("", "Any")
SEVERITIES = [("", "As the look says"), *Alert.Severity.choices]
LASTS = [
    ("60", "1 hour"), ("240", "4 hours"), ("1440", "1 day"), ("10080", "1 week"), ("43200", "30 days"),
    ("525600", "1 year, recurring alone"),
]  # fmt: skip
ZONES = [
    ("UTC", "UTC"),
    *((zone, zone) for zone in sorted(available_timezones()) if "/" in zone and not zone.startswith("Etc/")),
]


class RuleForm(forms.Form):
    """What holds for one kind of alert."""

    enabled = forms.BooleanField(required=False, label="Raise it at all")
    severity = forms.ChoiceField(choices=SEVERITIES, required=False)
    breaches = forms.IntegerField(label="Looks in a row that find it, before it is raised")
    breach_minutes = forms.IntegerField(label="and minutes that it has to last")
    goods = forms.IntegerField(label="Good looks in a row, before it is cleared")
    good_minutes = forms.IntegerField(label="and minutes that they have to last")
    flap_minutes = forms.IntegerField(label="Minutes within which it comes back as the same alert")
    notify_minutes = forms.IntegerField(label="Minutes between two messages about one group")
    escalate_minutes = forms.IntegerField(
        label="Minutes until it escalates", help_text="If nobody took it on; 0: never."
    )
    group_by = forms.ChoiceField(
        choices=[("cause", "Cause within a model"), ("model", "Model"), ("alert", "Each alert by itself")], label="One group is"
    )  # fmt: skip
    owner = forms.ChoiceField(required=False)
    runbook = forms.CharField(required=False, max_length=500, help_text="A path here or an https address. Empty: ours.")
    reason = forms.CharField(widget=forms.Textarea({"rows": 2}), help_text="Why it changes; stays with the rule.")

    def __init__(self, *args: Any, team: Team | None, kind: Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = (
            team.memberships.filter(user__is_active=True).order_by("user__username")
            if team
            else Membership.objects.none()
        )
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ChoiceField)  # noqa: S101  declared above
        owner.choices = [
            ("", f"Whoever it is for ({' and '.join(kind.roles)})"),
            *((f"role:{role}", f"Role {label.lower()}") for role, label in Role.choices),
            *((f"person:{name}", name) for name in people.values_list("user__username", flat=True)),
        ]
        for name, (least, most) in rules.LIMITS.items():
            self.fields[name].widget.attrs |= {"min": least, "max": most}
        if kind.fixed or (team is None and not kind.of_installation):
            del self.fields["enabled"]
        style_controls(self)

    def changes(self) -> dict[str, Any]:
        """Return the fields of the rule."""
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}


class SilenceForm(forms.Form):
    """A silence."""

    model = forms.CharField(required=False, widget=forms.TextInput(MODEL_NAME), help_text="Empty: any.")
    kind = forms.ChoiceField(choices=[ANY, *((k.name, k.words) for k in KINDS.values())], required=False)
    severity = forms.ChoiceField(choices=[ANY, *Alert.Severity.choices], required=False)
    starts_at = forms.DateTimeField(
        required=False, label="Starts at (UTC)", widget=forms.DateTimeInput({"type": "datetime-local"}), help_text="Empty: now."
    )  # fmt: skip
    lasts = forms.ChoiceField(choices=LASTS, initial="240")
    cron = forms.CharField(
        required=False, max_length=100, label="Recurs at", help_text="A cron expression such as 0 22 * * 6; empty: it holds throughout."
    )  # fmt: skip
    time_zone = forms.ChoiceField(choices=ZONES, initial="UTC", label="by the clocks of")
    minutes = forms.IntegerField(required=False, min_value=0, label="for so many minutes each time")
    reason = forms.CharField(widget=forms.Textarea({"rows": 2}), help_text="Such as the maintenance that goes on.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style_controls(self)

    def values(self) -> dict[str, Any]:
        """Return what the service takes, but for team and model."""
        said = self.cleaned_data
        starts = said["starts_at"].replace(tzinfo=ZoneInfo("UTC")) if said["starts_at"] else timezone.now()
        return {
            "kind": said["kind"], "severity": said["severity"], "starts_at": starts, "ends_at": starts + timedelta(minutes=int(said["lasts"])),
            "cron": said["cron"].strip(), "time_zone": said["time_zone"], "minutes": said["minutes"] or 0, "reason": said["reason"],
        }  # fmt: skip


class ChannelForm(forms.Form):
    """Make or change a channel."""

    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None, help_text="It is told of this team's alerts.")
    name = forms.CharField(max_length=63, help_text="Such as on call, or team chat.")
    roles = forms.MultipleChoiceField(
        choices=Role.choices, required=False, widget=forms.CheckboxSelectMultiple, label="Members with these roles"
    )  # fmt: skip
    addresses = forms.CharField(
        required=False, label="Mailing lists", help_text="Separated by spaces; of domains that the installation allows."
    )
    url = forms.CharField(
        required=False, max_length=1000, label="Address", widget=forms.PasswordInput({"autocomplete": "off"})
    )
    kinds = forms.MultipleChoiceField(
        choices=[(k.name, k.words) for k in KINDS.values()], required=False, widget=forms.CheckboxSelectMultiple,
        label="Only these kinds", help_text="None chosen: all, also those to come.",
    )  # fmt: skip
    least = forms.ChoiceField(choices=Alert.Severity.choices, label="At least")
    escalations = forms.BooleanField(required=False, label="Only what nobody took on in time")
    installation = forms.BooleanField(
        required=False, label="Also what is of no team: gateways, workers, the audit chain"
    )

    def __init__(self, *args: Any, teams: Any = None, kind: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if teams is None:
            del self.fields["team"]
        else:
            field = self.fields["team"]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  declared above
            field.queryset = teams
        kept = "it stays as it is. " if teams is None else ""
        self.fields[
            "url"
        ].help_text = f"{f'Empty: {kept}' if kept else ''}Such as slack://token/token/token. It holds a secret, so it is kept encrypted and never shown again."
        for name in (
            {Channel.Kind.MAIL: ("url",), Channel.Kind.CHAT: ("roles", "addresses")}.get(Channel.Kind(kind), ())
            if kind
            else ()
        ):
            del self.fields[name]
        style_controls(self)

    def values(self) -> dict[str, Any]:
        """Return what the services take."""
        said = dict(self.cleaned_data)
        if "addresses" in said:
            said["addresses"] = said["addresses"].replace(",", " ").split()
        if not said.get("url"):
            said.pop("url", None)
        return said


class MailForm(forms.Form):
    """How one wants mail about alerts."""

    mail = forms.ChoiceField(choices=AlertPreference.Wants.choices, label="Mail about alerts")
    quiet_from = forms.TimeField(required=False, widget=forms.TimeInput({"type": "time"}), label="Quiet from")
    quiet_until = forms.TimeField(required=False, widget=forms.TimeInput({"type": "time"}), label="until")
    time_zone = forms.ChoiceField(choices=ZONES, label="by the clocks of")
    critical_at_once = forms.BooleanField(required=False, label="Critical alerts ask for no quiet hours")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style_controls(self)
