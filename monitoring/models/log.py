"""What is kept of predictions: for how long, without which values, and what became of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models import RegisteredModel

DEFAULT_KEEP_DAYS = 400  # a year can be compared with the one before
MIN_KEEP_DAYS = 7
MAX_KEEP_DAYS = 3660


class Treatment(models.TextChoices):
    """What the log holds in place of a value."""

    DROP = "drop", "Dropped"
    HASH = "hash", "Hashed with a key"
    MASK = "mask", "Masked"


class LogPolicy(models.Model):
    """What a team decided on the log of one model; without a row the defaults hold."""

    model = models.OneToOneField(RegisteredModel, models.CASCADE, related_name="log_policy")
    keep_days = models.PositiveIntegerField(default=DEFAULT_KEEP_DAYS, help_text="days that predictions are kept")
    columns = models.JSONField(default=dict, help_text="{input column: treatment} of the sensitive ones")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(keep_days__gte=MIN_KEEP_DAYS, keep_days__lte=MAX_KEEP_DAYS), name="log_is_kept_for_days"
            )
        ]

    def __str__(self) -> str:
        return f"prediction log of {self.model}"
