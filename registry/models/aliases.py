"""Aliases, their history, and the way back."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from registry.models.catalogue import ModelVersion, RegisteredModel
from registry.models.promotions import Promotion


class Rollback(models.Model):
    """A return of an alias to a version that held it before, done by one person and reviewed by another afterwards."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="rollbacks")
    alias = models.CharField(max_length=100, default="champion")
    from_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    to_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    reason = models.TextField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    review_due_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True) | ~Q(reviewed_by=F("requested_by")),
                name="rollback_reviewed_by_another",
            )
        ]

    def __str__(self) -> str:
        return f"rollback {self.pk}"


class Alias(models.Model):
    """A name that points at a version; a guarded one names the promotion or rollback that moved it."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="aliases")
    promotion = models.ForeignKey(Promotion, models.PROTECT, null=True, blank=True, related_name="+")
    rollback = models.ForeignKey(Rollback, models.PROTECT, null=True, blank=True, related_name="+")
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="alias_unique_per_model")]

    def __str__(self) -> str:
        return f"{self.model.name}@{self.name}"


class AliasMove(models.Model):
    """The history of an alias; written by a trigger on ``Alias`` alone."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="alias_moves")
    name = models.CharField(max_length=255)
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+", help_text="null: removed")
    promotion = models.ForeignKey(Promotion, models.PROTECT, null=True, related_name="+")
    rollback = models.ForeignKey(Rollback, models.PROTECT, null=True, related_name="+")
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["model", "name", "-id"], name="alias_history")]

    def __str__(self) -> str:
        return f"{self.name} moved at {self.at}"
