"""Outgoing webhooks: where a team wants to be told what happens to its objects."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models.teams import Team


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """Reads that more than one caller needs."""

    def active(self) -> "WebhookQuerySet":
        """Keep the webhooks that are told something."""
        return self.filter(status=Webhook.Status.ACTIVE)


class Webhook(models.Model):
    """A receiver of a team's events; the flavour says in whose words and with whose signature it is told."""

    class Flavour(models.TextChoices):
        STANDARD = "standard", "Standard Webhooks"
        MLFLOW = "mlflow", "MLflow"

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        DISABLED = "disabled", "Disabled"

    team = models.ForeignKey(Team, models.CASCADE, related_name="webhooks")
    flavour = models.CharField(max_length=10, choices=Flavour, default=Flavour.STANDARD)
    name = models.CharField(max_length=63)
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=1000, blank=True)
    events = models.JSONField(
        help_text="names, such as promotion.approve, promotion.* or *; of MLflow's: its own names"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=300, blank=True, help_text="why it was disabled, where we did it")
    sealed_secret = models.TextField(blank=True, help_text="encrypted; MLflow's may have none")
    sealed_former_secret = models.TextField(blank=True, help_text="signs beside the new one for a day after a rotation")
    former_secret_until = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True, help_text="the first failure since the last success")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["team", "-id"], name="webhook_of_team")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(flavour="standard") | ~Q(sealed_secret=""), name="standard_webhook_has_a_secret"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/settings/webhooks/{self.pk}/"

    @property
    def has_secret(self) -> bool:
        """Whether what it is told is signed."""
        return bool(self.sealed_secret)

    @property
    def is_active(self) -> bool:
        """Whether it is told anything."""
        return self.status == self.Status.ACTIVE
