"""Plans, in numbered versions."""

from django.conf import settings
from django.db import models

from registry.models import Promotion, RegisteredModel
from rollouts.plans.plan import Plan, read_plan


class RolloutPlan(models.Model):
    """One numbered version of how rollouts go: the installation's for a risk tier, a model's own, or what one promotion brought.

    Rows are only ever added; the highest number is in force. A rollout keeps what it began with.
    """

    model = models.ForeignKey(RegisteredModel, models.PROTECT, null=True, blank=True, related_name="rollout_plans")
    risk_tier = models.PositiveSmallIntegerField(null=True, blank=True, help_text="of the installation's own plans")
    promotion = models.ForeignKey(
        Promotion, models.PROTECT, null=True, blank=True, related_name="rollout_plans", help_text="for this one alone"
    )
    number = models.PositiveIntegerField(default=1)
    document = models.JSONField(
        help_text="as rollouts.plans.plan reads it; null: the model has no plan any more", null=True
    )
    note = models.TextField(blank=True, help_text="what changed, and why")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "risk_tier", "promotion", "number"], name="plan_number_unique", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=models.Q(model__isnull=False, risk_tier__isnull=True, promotion__isnull=True)
                | models.Q(model__isnull=True, risk_tier__isnull=False, promotion__isnull=True)
                | models.Q(model__isnull=True, risk_tier__isnull=True, promotion__isnull=False),
                name="plan_of_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"plan {self.number} of {self.model or self.promotion or f'tier {self.risk_tier}'}"

    @property
    def plan(self) -> Plan:
        """What it says."""
        return read_plan(self.document)
