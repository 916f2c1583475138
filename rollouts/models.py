"""What rollouts remembers: every routing table that was published, and what gateways would not load."""

from django.db import models
from django.db.models import Q

from registry.models import DIGEST_HELP, ModelVersion


class RoutingTable(models.Model):
    """One published routing table, kept as published: telemetry names the table that was in force by its version."""

    version = models.PositiveBigIntegerField(unique=True, help_text="only grows")
    digest = models.CharField(max_length=71, help_text=f"{DIGEST_HELP} over its routes")
    document = models.JSONField(help_text="as the gateway reads it")
    reason = models.TextField(help_text="what changed, in words")
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"routing table {self.version}"


class LoadRefusal(models.Model):
    """A version that a gateway would not load: changed bytes, a format it does not allow, a model that is not sound."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="load_refusals")
    reason = models.TextField()
    noticed_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, help_text="when no gateway reported it any more")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "reason"], condition=Q(cleared_at__isnull=True), name="one_open_load_refusal"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.reason}"
