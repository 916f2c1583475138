"""What is kept of predictions: for how long, without which values, and what became of them."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.models import RegisteredModel

DEFAULT_KEEP_DAYS = 400  # a year can be compared with the one before
MIN_KEEP_DAYS = 7
MAX_KEEP_DAYS = 3660


class Treatment(models.TextChoices):
    """What the log holds in place of a value."""

    DROP = "drop", "Dropped"
    HASH = "hash", "Hashed with a key"
    MASK = "mask", "Masked"


STRICTNESS = ["", Treatment.MASK, Treatment.HASH, Treatment.DROP]  # how little is told of a value, least strict first


class LogPolicyQuerySet(models.QuerySet["LogPolicy"]):
    """Policies of logs."""

    def in_force(self) -> Self:
        """Return the latest one of each model."""
        return self.order_by("model_id", "-number").distinct("model_id")


class LogPolicy(models.Model):
    """One numbered version of what a team decided on the log of a model. Rows are only ever added; the highest number is in force.

    Without a row the defaults hold.
    """

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="log_policies")
    number = models.PositiveIntegerField(default=1)
    keep_days = models.PositiveIntegerField(default=DEFAULT_KEEP_DAYS, help_text="days that predictions are kept")
    columns = models.JSONField(default=dict, help_text="{input column: treatment} of the sensitive ones")
    reason = models.TextField(blank=True, help_text="why it was changed")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(db_default=Now())

    objects = LogPolicyQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="log_policy_number_unique"),
            models.CheckConstraint(
                condition=Q(keep_days__gte=MIN_KEEP_DAYS, keep_days__lte=MAX_KEEP_DAYS), name="log_is_kept_for_days"
            ),
        ]

    def __str__(self) -> str:
        return f"log policy {self.number} of {self.model}"
