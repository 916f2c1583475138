"""Promotions, what approvals are bound to, and who approved."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models.catalogue import ModelVersion, RegisteredModel
from registry.models.criteria import CriteriaSet
from registry.models.fields import DIGEST_HELP
from registry.models.standing import StandingApproval
from registry.models.teams import Role
from registry.states import PromotionState


@dataclass(frozen=True)
class Binding:
    """What an approval is bound to; if one of the four changes, the approval lapses."""

    artifact: str
    criteria: str
    evidence: tuple[int, ...]
    waivers: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept with an approval."""
        return {
            "artifact": self.artifact, "criteria": self.criteria, "evidence": list(self.evidence),
            "waivers": list(self.waivers),
        }  # fmt: skip

    @property
    def digest(self) -> str:
        """Return ``sha256:…`` over the four."""
        text = json.dumps(list(self.as_json().values()), separators=(",", ":"))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Promotion(models.Model):
    """Asks that a version take an alias; bound to one artifact and one criteria set."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="promotions")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="promotions")
    alias = models.CharField(max_length=100, default="champion")
    replaces = models.ForeignKey(ModelVersion, models.PROTECT, null=True, blank=True, related_name="+")
    criteria_set = models.ForeignKey(CriteriaSet, models.PROTECT, related_name="promotions")
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value.replace("_", " ")) for s in PromotionState], default="requested"
    )
    description = models.TextField(blank=True)
    policy = models.JSONField(
        default=dict, help_text="the rules in force when it was requested, then when it was decided"
    )
    rolls_out = models.BooleanField(default=False, editable=False, help_text="as told: it brought a plan of its own")
    outcome = models.TextField(blank=True, help_text="why it was rolled back, in words")
    carried_by = models.CharField(max_length=100, blank=True, editable=False, help_text="path of its rollout, as told")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "alias"],
                condition=Q(state__in=["requested", "approved", "rolling_out"]),
                name="one_open_promotion_per_alias",
            )
        ]

    def __str__(self) -> str:
        return f"promotion {self.pk}"

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/promotions/{self.pk}/"


class ApprovalQuerySet(models.QuerySet["Approval"]):
    """Reads that more than one caller needs."""

    def counting(self) -> "ApprovalQuerySet":
        """Keep the approvals that were given by hand, or that rest on a standing approval which still holds."""
        standing = Q(standing__isnull=True) | Q(standing__in=StandingApproval.objects.holding())
        return self.filter(standing, decision=Approval.Decision.APPROVE)


class Approval(models.Model):
    """One person's decision on a promotion, bound to what that person was shown. Rows are only ever added.

    One that rests on a standing approval was given beforehand: it is bound to what the promotion rested on when it was opened.
    """

    class Decision(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"

    promotion = models.ForeignKey(Promotion, models.PROTECT, related_name="approvals")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    role = models.CharField(max_length=10, choices=Role)
    decision = models.CharField(max_length=10, choices=Decision)
    reason = models.TextField()
    binding = models.JSONField(help_text="{artifact, criteria, evidence, waivers}")
    binding_digest = models.CharField(max_length=71, help_text=DIGEST_HELP)
    standing = models.ForeignKey(
        StandingApproval, models.PROTECT, null=True, blank=True, related_name="approvals",
        help_text="the standing approval that it rests on; null: given by hand",
    )  # fmt: skip
    decided_at = models.DateTimeField(auto_now_add=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "approver", "binding_digest", "standing"],
                name="one_decision_per_person_and_binding", nulls_distinct=False,
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.decision} by {self.approver} on promotion {self.promotion_id}"


class Comment(models.Model):
    """A remark on a promotion's timeline."""

    promotion = models.ForeignKey(Promotion, models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    body = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"comment {self.pk}"
