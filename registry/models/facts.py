"""What higher apps tell the registry: error budgets, traffic, and which data a data set holds now."""

from django.db import models

from registry.models.catalogue import ModelVersion, RegisteredModel
from registry.models.fields import DIGEST_HELP
from registry.models.teams import Team


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
