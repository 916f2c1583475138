"""The end of a version or model, and the dates by which a model is looked at again."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from registry.models.catalogue import ModelVersion, RegisteredModel
from registry.models.criteria import Evidence
from registry.states import RetirementState


class Retirement(models.Model):
    """Asks that a version, or a whole model, never serve again. Asked by one person, decided by another."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="retirements")
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="retirements", help_text="null: all of them"
    )
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in RetirementState], default="requested")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="of who decided")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "version"], condition=Q(state__in=["requested", "approved"]), nulls_distinct=False,
                name="one_retirement_of_each",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "rejected"]) | (Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by"))),
                name="retirement_decided_by_another",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="retirement_has_a_reason"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"retirement {self.pk}"

    @property
    def title(self) -> str:
        """What is to be retired."""
        return f"{self.model.name} v{self.version.number}" if self.version else f"all of {self.model.name}"


class Revalidation(models.Model):
    """A model was looked at again by somebody who had no part in its champion, and holds until the next date."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="revalidations")
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, related_name="+", help_text="the champion that was looked at"
    )
    note = models.TextField(help_text="what was looked at, and the verdict")
    evidence = models.ForeignKey(Evidence, models.PROTECT, null=True, blank=True, related_name="+")
    link = models.URLField(max_length=2000, blank=True, help_text="to the validation report")
    document = models.TextField(blank=True, help_text="what supports it, in words")
    was_due = models.DateField(null=True)
    next_due = models.DateField()
    done_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    done_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(note="") & (Q(evidence__isnull=False) | ~Q(link="") | ~Q(document="")),
                name="revalidation_has_evidence",
            ),
        ]

    def __str__(self) -> str:
        return f"re-validation {self.pk}"
