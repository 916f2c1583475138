"""Golden sets: versions that are measured on for as long as they stand, and never trained on."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from experiments.models.datasets import HELD_OUT, DatasetVersion


class GoldenMark(models.Model):
    """One person says that a version is golden; it is once a second one confirms it."""

    version = models.OneToOneField(DatasetVersion, models.PROTECT, related_name="golden")
    split = models.CharField(
        max_length=100, blank=True, default=HELD_OUT, help_text="whose rows are measured on; empty: all rows"
    )
    reason = models.TextField(help_text="what it stands for, and why nothing may be trained on it")
    marked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    marked_at = models.DateTimeField(auto_now_add=True)
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="golden_says_why"),
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True, confirmed_at__isnull=True)
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False) & ~Q(confirmed_by=F("marked_by")),
                name="golden_by_two",
            ),
        ]

    def __str__(self) -> str:
        return f"golden mark of {self.version}"
