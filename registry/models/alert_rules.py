"""What the installation and its teams say about alerts: rules of their own, and silences."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from registry.alerting.kinds import kind_of
from registry.alerting.silences import Window
from registry.models.alerts import Alert
from registry.models.catalogue import RegisteredModel
from registry.models.teams import Team


class AlertRule(models.Model):
    """What was changed of one kind's rule, for the installation, a team or one model; what is left alone is as the one above has it."""

    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="alert_rules", help_text="null: holds for all teams"
    )
    model = models.ForeignKey(RegisteredModel, models.CASCADE, null=True, blank=True, related_name="alert_rules")
    kind = models.CharField(max_length=40)
    changes = models.JSONField(help_text="fields of the rule that differ")
    reason = models.TextField()
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["kind", "id"]
        constraints = [
            models.UniqueConstraint(fields=["team", "model", "kind"], name="one_rule_per_kind", nulls_distinct=False),
            models.CheckConstraint(condition=~Q(reason=""), name="alert_rule_has_a_reason"),
            models.CheckConstraint(
                condition=Q(team__isnull=False) | Q(model__isnull=True), name="alert_rule_of_a_model_is_of_its_team"
            ),
        ]

    def __str__(self) -> str:
        return f"rule of {self.kind}"


class SilenceQuerySet(models.QuerySet["Silence"]):
    """Reads that more than one caller needs."""

    def under_way(self, now: datetime) -> "SilenceQuerySet":
        """Keep those that nobody ended and whose time has come, whether or not they recur right now."""
        return self.filter(ended_at__isnull=True, starts_at__lte=now, ends_at__gt=now)


class Silence(models.Model):
    """Alerts of a team that nobody is told about for a while. They are raised and shown all the same."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="silences")
    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, null=True, blank=True, related_name="+", help_text="null: any"
    )
    kind = models.CharField(max_length=40, blank=True, help_text="empty: any")
    severity = models.CharField(max_length=10, choices=Alert.Severity, blank=True, help_text="empty: any")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cron = models.CharField(max_length=100, blank=True, help_text="recurs at these instants; empty: holds throughout")
    time_zone = models.CharField(max_length=60, default="UTC")
    minutes = models.PositiveIntegerField(default=0, help_text="how long each recurrence holds")
    reason = models.TextField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = SilenceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="silence_has_a_reason"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="silence_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("created_by")),
                name="silence_confirmed_by_another",
            ),
            models.CheckConstraint(condition=Q(cron="") | Q(minutes__gt=0), name="recurring_silence_lasts"),
        ]

    def __str__(self) -> str:
        return f"silence {self.pk}"

    @property
    def path(self) -> str:
        """The address that shows it, which is also its subject in the audit trail."""
        return f"/alerts/silences/#silence-{self.pk}"

    @property
    def window(self) -> Window:
        """When and what it holds."""
        return Window(
            team=self.team_id, model=self.model_id or 0, kind=self.kind, severity=self.severity, starts_at=self.starts_at,
            ends_at=self.ends_at, cron=self.cron, zone=self.time_zone, minutes=self.minutes,
            confirmed=self.confirmed_by_id is not None,
        )  # fmt: skip

    @property
    def what(self) -> str:
        """Which alerts it holds, in words."""
        parts = [self.get_severity_display().lower(), kind_of(self.kind).words if self.kind else "all alerts"]
        return " ".join(part for part in parts if part) + (f" of {self.model.name}" if self.model else "")
