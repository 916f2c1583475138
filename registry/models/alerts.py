"""Alerts, what became of each, and the looks in a row that lead to one."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from registry.alerting.kinds import kind_of
from registry.models.catalogue import RegisteredModel
from registry.models.teams import Role, Team


class AlertQuerySet(models.QuerySet["Alert"]):
    """Reads that more than one caller needs."""

    def open(self) -> "AlertQuerySet":
        """Keep those whose cause is not gone."""
        return self.filter(cleared_at__isnull=True)

    def seen_by(self, teams: models.QuerySet[Team], *, keeps: bool) -> "AlertQuerySet":
        """Keep those of ``teams``, and those of the installation for who looks after it."""
        mine = Q(team__in=teams)
        return self.filter(mine | Q(team__isnull=True) if keeps else mine)


class Alert(models.Model):
    """Something that a person should know until it is over: about a model, a team, or the installation.

    One open row for each key of its model or team. What comes back soon after it was over continues the same row.
    """

    class Severity(models.TextChoices):
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    team = models.ForeignKey(
        Team, models.PROTECT, null=True, blank=True, related_name="alerts", help_text="null: the installation's"
    )
    model = models.ForeignKey(RegisteredModel, models.PROTECT, null=True, blank=True, related_name="alerts")
    kind = models.CharField(max_length=40, help_text="such as drift, budget, review_overdue")
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.WARNING)
    title = models.CharField(max_length=300)
    link = models.CharField(max_length=500, blank=True, help_text="path of the page that shows the cause")
    next_step = models.TextField(blank=True, help_text="what to do about it, in a sentence")
    actions = models.JSONField(
        default=list, help_text="ways out, each with title and path, and until when where it ends"
    )
    key = models.CharField(max_length=200, help_text="what raises it again is the same alert")
    group = models.CharField(max_length=120, help_text="team, model and cause: what is told and listed together")
    count = models.PositiveIntegerField(default=1, help_text="how often it was seen")
    raised_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(default=timezone.now, help_text="when it was seen last")
    returned = models.PositiveIntegerField(default=0, help_text="how often it was over and came back soon")
    cleared_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    resolution = models.TextField(blank=True, help_text="why a person called it over")
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )  # fmt: skip
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="of who acknowledged it")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    owner_role = models.CharField(max_length=10, choices=Role, blank=True, help_text="where no person owns it")
    escalated_at = models.DateTimeField(null=True, blank=True)
    silence = models.ForeignKey(
        "registry.Silence",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="what keeps it silent now",
    )
    untold = models.CharField(max_length=10, blank=True, help_text="what happened that nobody was told of yet")

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["group", "-id"], name="alert_of_group", condition=Q(cleared_at__isnull=True)),
            models.Index(fields=["id"], name="alert_untold", condition=~Q(untold="")),
            models.Index(fields=["team", "key", "-cleared_at"], name="alert_by_key"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "model", "key"], condition=Q(cleared_at__isnull=True), name="one_open_alert_per_key",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(model__isnull=True) | Q(team__isnull=False), name="alert_of_a_model_has_its_team"
            ),
            models.CheckConstraint(
                condition=Q(resolved_by__isnull=True) | (~Q(resolution="") & Q(cleared_at__isnull=False)),
                name="alert_resolved_with_a_reason",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"/alerts/{self.pk}/"

    @property
    def subject(self) -> str:
        """What its events are about in the audit trail: its model, or else itself."""
        return self.model.path if self.model else self.path

    @property
    def kind_words(self) -> str:
        """Its kind as people read it."""
        return kind_of(self.kind).words

    @property
    def ways(self) -> list[dict[str, str]]:
        """Its ways out that have not ended."""
        now = timezone.now()
        return [way for way in self.actions if not way.get("until") or datetime.fromisoformat(way["until"]) > now]

    @property
    def about(self) -> str:
        """What it is about, in a word or two."""
        return self.model.name if self.model else self.team.name if self.team else "The installation"


class AlertEvent(models.Model):
    """What became of an alert: raised, told, taken on, commented on, over. Rows are only ever added."""

    alert = models.ForeignKey(Alert, models.PROTECT, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    what = models.CharField(max_length=20)
    text = models.TextField(blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    process = models.CharField(max_length=100, blank=True, help_text="who noticed, where it was no person")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.what} {self.alert_id}"


class AlertStreak(models.Model):
    """Looks in a row at one key that found the same; kept while they may lead to something."""

    team = models.ForeignKey(Team, models.CASCADE, null=True, related_name="+")
    model = models.ForeignKey(RegisteredModel, models.CASCADE, null=True, related_name="+")
    key = models.CharField(max_length=200)
    breached = models.BooleanField(default=True)
    count = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "model", "key"], name="one_streak_per_key", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"{self.count} looks at {self.key}"
