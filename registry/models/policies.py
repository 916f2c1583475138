"""Policies: what each risk tier asks for, in numbered versions."""

from django.conf import settings
from django.db import models

from registry.models.teams import Team
from registry.policies import NAMES, Policy


class PromotionPolicy(models.Model):
    """One numbered version of what a risk tier asks for: of the installation, or of one team. Rows are only ever added.

    The highest number is in force. A team's rules and the installation's hold together, the stricter one each time, so
    the installation's are a floor.
    """

    team = models.ForeignKey(
        Team, models.PROTECT, null=True, blank=True, related_name="policies", help_text="null: the installation's own"
    )
    risk_tier = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField(default=1)
    required = models.JSONField(help_text='approvals by role, such as {"approver": 2}')
    rollback_review_hours = models.PositiveIntegerField(default=24)
    min_budget = models.FloatField(
        null=True, blank=True, help_text="more than this share of the error budget must be left; null: no gate"
    )
    max_evidence_days = models.PositiveIntegerField(null=True, blank=True, help_text="null: any age")
    fresh_login_minutes = models.PositiveIntegerField(null=True, blank=True, help_text="null: a log-in of any age")
    max_waiver_days = models.PositiveIntegerField(default=30)
    revalidation_days = models.PositiveIntegerField(default=365)
    block_overdue = models.BooleanField(default=True, help_text="an overdue re-validation blocks promotions")
    rollout_required = models.BooleanField(
        default=False, db_default=False, help_text="what replaces a champion reaches callers by a rollout alone"
    )
    reason = models.TextField(blank=True, help_text="why it was changed")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["risk_tier", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "risk_tier", "number"], name="policy_number_unique", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.number} of tier {self.risk_tier}"

    @property
    def rules(self) -> Policy:
        """Its rules, without who set them and when."""
        return Policy(**{name: getattr(self, name) for name in NAMES})
