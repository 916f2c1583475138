"""What higher apps tell the registry: alerts, error budgets, traffic, and which data a data set holds now."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models.catalogue import ModelVersion, RegisteredModel
from registry.models.fields import DIGEST_HELP
from registry.models.teams import Team


class Alert(models.Model):
    """Something about a model that a person should know, until it is over. One open row per model and key."""

    class Severity(models.TextChoices):
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="alerts")
    kind = models.CharField(max_length=40, help_text="such as drift, budget, review_overdue")
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.WARNING)
    title = models.CharField(max_length=300)
    link = models.CharField(max_length=500, blank=True, help_text="path of the page that shows the cause")
    next_step = models.TextField(blank=True, help_text="what to do about it, in a sentence")
    key = models.CharField(max_length=200, help_text="what raises it again is the same alert")
    raised_at = models.DateTimeField(auto_now_add=True)
    cleared_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )  # fmt: skip
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="of who acknowledged it")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "key"], condition=Q(cleared_at__isnull=True), name="one_open_alert_per_key"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def kind_words(self) -> str:
        """Its kind as people read it."""
        return self.kind.replace("_", " ")


class ErrorBudget(models.Model):
    """What is left of one objective's error budget, as last told."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="budgets")
    objective = models.CharField(max_length=100, help_text="such as availability 99.9% over 28 days")
    remaining = models.FloatField(null=True, help_text="share left, below 0 where overspent; null without traffic")
    at = models.DateTimeField(help_text="when it was computed")

    class Meta:
        ordering = ["objective"]
        constraints = [models.UniqueConstraint(fields=["model", "objective"], name="one_budget_per_objective")]

    def __str__(self) -> str:
        return f"{self.objective} of {self.model.name}"


class VersionTraffic(models.Model):
    """When a version last answered, as last told."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, related_name="traffic")
    last_request_at = models.DateTimeField()
    requests = models.BigIntegerField(default=0, help_text="in the minutes before it was told")

    def __str__(self) -> str:
        return f"traffic of {self.version}"


class DataSetHead(models.Model):
    """Which data a data set of a team holds now: evidence of other data is stale."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="data_set_heads")
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=71, help_text=DIGEST_HELP)
    recorded_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="one_head_per_data_set")]

    def __str__(self) -> str:
        return self.name
