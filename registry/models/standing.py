"""Standing approvals: a person's word, given beforehand and for a while, for versions that a retraining policy makes."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import BooleanField, F, Func, Q
from django.db.models.functions import Now

from registry.models.catalogue import RegisteredModel
from registry.models.criteria import CriteriaSet

STANDING_TIER = 3  # the only one whose versions may become champion without a person looking at each
STANDING_DAYS = 90  # no standing approval holds longer


class StandingApprovalQuerySet(models.QuerySet["StandingApproval"]):
    """Reads that more than one caller needs."""

    def holding(self) -> "StandingApprovalQuerySet":
        """Keep those that an approval may rest on now; PostgreSQL says which, here as where an alias moves."""
        told = Func(F("pk"), function="registry_standing_holds", output_field=BooleanField())
        return self.alias(holds=told).filter(holds=True)


class StandingApproval(models.Model):
    """Approves what one numbered retraining policy makes, if it meets one criteria set and is surely better than the champion.

    Who gives it neither wrote the policy nor drafted the criteria. It ends by its date, by anybody's word, and as soon as the policy,
    the criteria or the model's tier are others. What was given never changes.
    """

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="standing_approvals")
    policy = models.PositiveIntegerField(help_text="number of the retraining policy that it is for")
    criteria_set = models.ForeignKey(CriteriaSet, models.PROTECT, related_name="+")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.TextField()
    given_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", help_text="null: what it was for changed"
    )
    ended_why = models.TextField(blank=True)

    objects = StandingApprovalQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "approver"],
                condition=Q(ended_at__isnull=True),
                name="one_standing_approval_per_person",
            ),
        ]

    def __str__(self) -> str:
        return f"standing approval {self.pk}"

    @property
    def path(self) -> str:
        """Where it is shown."""
        return f"{self.model.path}retraining/#s{self.pk}"

    @property
    def days(self) -> int:
        """For how long it was given."""
        return round((self.expires_at - self.given_at) / timedelta(days=1))
