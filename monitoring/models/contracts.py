"""Which data contract a model's inputs are held to, and how they stood."""

from django.conf import settings
from django.db import models

from experiments.models import DataContract, Dataset
from registry.models import ModelVersion, RegisteredModel


class LiveContract(models.Model):
    """A team's choice of the data set whose contract a model's inputs are held to. Without one it is that of the training rows."""

    model = models.OneToOneField(RegisteredModel, models.CASCADE, related_name="live_contract")
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="live_contracts")
    chosen_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    chosen_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.model} is held to {self.dataset}"


class LiveCheck(models.Model):
    """How a model's latest inputs stood to its contract at one look. Kept for a week."""

    class State(models.TextChoices):
        BROKEN = "broken", "Broken"
        NOTED = "noted", "Noted"
        UNSURE = "unsure", "Undecided"
        HELD = "held", "Holds"
        NO_DATA = "no_data", "No data"

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="live_checks")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    contract = models.ForeignKey(DataContract, models.PROTECT, related_name="live_checks")
    at = models.DateTimeField(help_text="a full minute")
    rows = models.PositiveBigIntegerField(help_text="predictions that were looked at")
    state = models.CharField(max_length=10, choices=State, help_text="the worst of all rules")
    broken = models.PositiveIntegerField(help_text="rules, blocking and advisory")
    unsure = models.PositiveIntegerField()
    held = models.PositiveIntegerField()
    results = models.JSONField(help_text="[monitoring.contracts.LiveResult] of what does not hold, broken ones first")

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["at"], name="live_check_age")]
        constraints = [models.UniqueConstraint(fields=["model", "at"], name="live_check_once_a_minute")]

    def __str__(self) -> str:
        return f"{self.model} at {self.at:%Y-%m-%d %H:%M}: {self.state}"
