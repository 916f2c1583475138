"""What product people answer to the questions that a promotion's criteria put in plain words. Rows are only ever added."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models.criteria import AcceptanceCriterion
from registry.models.promotions import Comment, Promotion
from registry.models.teams import Role


class CriterionReview(models.Model):
    """One person's answer to one criterion, or, without a criterion, that person's opinion on the whole promotion.

    It is bound to the evidence that was shown: with other evidence the question is asked again. An opinion is no approval.
    """

    class Verdict(models.TextChoices):
        ACCEPT = "accept", "Accepted"
        ASK = "ask", "Asked"
        REFUSE = "refuse", "Refused"

    promotion = models.ForeignKey(Promotion, models.PROTECT, related_name="reviews")
    criterion = models.ForeignKey(
        AcceptanceCriterion, models.PROTECT, null=True, related_name="+", help_text="null: the promotion as a whole"
    )
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    role = models.CharField(max_length=10, choices=Role)
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.TextField(blank=True, help_text="asked for unless it is accepted")
    evidence = models.JSONField(help_text="[ids] of the evidence that was shown, in rising order")
    comment = models.OneToOneField(
        Comment, models.PROTECT, null=True, related_name="asked_by", help_text="on the timeline, where it is a question"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["promotion", "reviewer", "-id"], name="review_latest")]
        constraints = [
            models.CheckConstraint(condition=Q(verdict="accept") | ~Q(reason=""), name="review_names_its_reason"),
            models.CheckConstraint(
                condition=Q(verdict="ask", comment__isnull=False, criterion__isnull=False)
                | (~Q(verdict="ask") & Q(comment__isnull=True)),
                name="question_is_about_a_criterion_and_on_the_timeline",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.reviewer} on promotion {self.promotion_id}"
