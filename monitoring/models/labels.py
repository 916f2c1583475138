"""What became of predictions."""

from django.conf import settings
from django.db import models

from registry.models import RegisteredModel


class Label(models.Model):
    """A label as it came in, until it is in the lake and for a week after, so that a repeat is known as one. Never changed."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="labels")
    request_id = models.CharField(max_length=128)
    row = models.PositiveIntegerField(default=0, help_text="position in the request")
    time = models.DateTimeField(help_text="when the outcome was known; the newest one of a prediction wins")
    value = models.JSONField(help_text="a number, a truth value or a text")
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    received_at = models.DateTimeField()
    batch = models.PositiveBigIntegerField(null=True, help_text="in which it goes to the lake")

    class Meta:
        indexes = [
            models.Index(fields=["batch"], name="label_batch"),
            models.Index(fields=["received_at"], name="label_age"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["model", "request_id", "row", "time", "value"], name="label_said_once")
        ]

    def __str__(self) -> str:
        return f"label of {self.request_id}, row {self.row}"
