"""Waivers: one promotion may pass one rule that it does not meet, for a reason, for a while, by two people."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from registry.models.criteria import AcceptanceCriterion, Evidence
from registry.models.promotions import Promotion
from registry.states import WaiverState


class WaiverQuerySet(models.QuerySet["Waiver"]):
    """Reads that more than one caller needs."""

    def live(self, now: datetime) -> "WaiverQuerySet":
        """Keep those that were granted, and neither revoked nor expired at ``now``."""
        granted = self.filter(state__in=[WaiverState.GRANTED, WaiverState.REVOKED], expires_at__gt=now)
        return granted.exclude(revoked_at__lte=now)


class Waiver(models.Model):
    """Asked by one person, granted by another who had no part in the version. What was asked never changes."""

    class Rule(models.TextChoices):
        CRITERION = "criterion", "An acceptance criterion"
        BUDGET = "budget", "The error budget"
        MENDS = "mends", "The error budget, which the version mends"

    OF_BUDGET = (Rule.BUDGET, Rule.MENDS)

    promotion = models.ForeignKey(Promotion, models.PROTECT, related_name="waivers")
    rule = models.CharField(max_length=10, choices=Rule)
    criterion = models.ForeignKey(AcceptanceCriterion, models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.TextField()
    evidence = models.ForeignKey(Evidence, models.PROTECT, null=True, blank=True, related_name="+")
    link = models.URLField(max_length=2000, blank=True, help_text="to a document that supports it")
    document = models.TextField(blank=True, help_text="what supports it, in words")
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in WaiverState], default="asked")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="of who granted or declined it")
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.TextField(blank=True)

    objects = WaiverQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "rule", "criterion"], condition=Q(state="asked"), nulls_distinct=False,
                name="one_waiver_asked_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(rule="criterion", criterion__isnull=False)
                | Q(rule__in=["budget", "mends"], criterion__isnull=True),
                name="waiver_names_its_rule",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("asked_by")), name="waiver_decided_by_another"
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & (Q(evidence__isnull=False) | ~Q(link="") | ~Q(document="")),
                name="waiver_has_reason_and_evidence",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"waiver {self.pk}"

    @property
    def path(self) -> str:
        """Where it is shown."""
        return f"{self.promotion.path}#w{self.pk}"

    def is_live(self, now: datetime) -> bool:
        """Whether an approval may rest on it at ``now``."""
        revoked = self.revoked_at is not None and self.revoked_at <= now
        return self.state in (WaiverState.GRANTED, WaiverState.REVOKED) and self.expires_at > now and not revoked
