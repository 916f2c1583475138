"""Rollouts, every verdict on them, and whatever moved them."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from monitoring.models import Trial
from registry.models import ModelVersion, Promotion, RegisteredModel
from rollouts.models.plans import RolloutPlan
from rollouts.plans.plan import Plan, read_plan
from rollouts.states import OPEN, Ask, State

OUTCOMES = ("pass", "fail", "inconclusive", "no_data")


class Rollout(models.Model):
    """One version on its way to champion, beside the one that serves."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="rollouts")
    promotion = models.ForeignKey(Promotion, models.PROTECT, related_name="rollouts")
    champion = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+", help_text="goes on if this fails")
    candidate = models.ForeignKey(ModelVersion, models.PROTECT, related_name="rollouts")
    made_from = models.ForeignKey(RolloutPlan, models.PROTECT, null=True, blank=True, related_name="rollouts")
    document = models.JSONField(help_text="the plan as it was when this began")
    trial = models.OneToOneField(
        Trial,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="rollout",
        help_text="what is counted; from the first phase on",
    )
    salt = models.CharField(max_length=64, help_text="of the callers' keys: each rollout parts them anew")
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value.replace("_", " ")) for s in State], default=State.PENDING
    )
    step = models.PositiveSmallIntegerField(default=0, help_text="which step of the plan, from 0, in a canary's state")
    weight_bp = models.PositiveIntegerField(default=0, help_text="the candidate's share of answers now")
    shadow_bp = models.PositiveIntegerField(
        default=0, help_text="the share of requests that the candidate is asked, too"
    )
    asks = models.CharField(
        max_length=10, blank=True, choices=[(a.value, a.value) for a in Ask], help_text="which decision it awaits"
    )
    waiting_for = models.TextField(blank=True, help_text="which decision, and why; or why it holds")
    phase_started_at = models.DateTimeField(db_default=Now(), help_text="of the shadow phase or step")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_for = models.DurationField(default=timedelta, help_text="since the phase started: this time does not count")
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="what is undecided then waits for a person; null before the first phase"
    )
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.TextField(blank=True, help_text="why it ended, in words")
    canary_requests = models.PositiveBigIntegerField(default=0, help_text="answered by the candidate as canary")
    canary_failures = models.PositiveBigIntegerField(default=0, help_text="5xx among them")
    budget = models.JSONField(
        default=list, help_text="[{objective, bad, total, share}]: what the canary spent of each error budget"
    )
    checked_at = models.DateTimeField(null=True, blank=True, help_text="when the verdicts were looked at last")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model"], condition=Q(state__in=[s.value for s in OPEN]), name="one_open_rollout_per_model"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in OPEN], ended_at__isnull=True)
                | (~Q(state__in=[s.value for s in OPEN]) & Q(ended_at__isnull=False)),
                name="rollout_ends_when_closed",
            ),
            models.CheckConstraint(condition=Q(weight_bp__lte=10_000, shadow_bp__lte=10_000), name="rollout_weights"),
        ]

    def __str__(self) -> str:
        return f"rollout {self.pk}"

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/rollouts/{self.pk}/"

    @property
    def plan(self) -> Plan:
        """The plan that it follows."""
        return read_plan(self.document)


class RolloutVerdict(models.Model):
    """What was known of one guardrail at one look. A row is added when the outcome changes or the phase does; the last one is kept fresh.

    The largest evidence of each kind is kept, too: an e-value that once reached its threshold has decided.
    """

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="verdicts")
    metric = models.CharField(max_length=100)
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in State])
    step = models.PositiveSmallIntegerField(default=0)
    weight_bp = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=12, choices=[(o, o.replace("_", " ")) for o in OUTCOMES])
    against = models.FloatField(help_text="natural logarithm of the evidence that it is worse")
    most_against = models.FloatField(help_text="the largest so far in this rollout")
    favour = models.FloatField(help_text="natural logarithm of the evidence that it is not worse than allowed")
    most_favour = models.FloatField(help_text="the largest so far: a pass stays a pass until there is a fail")
    threshold = models.FloatField(help_text="natural logarithm; a fail reaches it")
    n = models.PositiveBigIntegerField()
    detail = models.JSONField(help_text="the whole verdict, as rollouts.verdicts gives it")
    sentence = models.TextField()
    at = models.DateTimeField(db_default=Now(), help_text="first so")
    seen_at = models.DateTimeField(db_default=Now(), help_text="last so")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["rollout", "metric", "-id"], name="verdict_latest")]

    def __str__(self) -> str:
        return f"{self.metric} of rollout {self.rollout_id}: {self.outcome}"


class RolloutAct(models.Model):
    """One line of a rollout's log: a move of its state, or what a person did. Rows are only ever added."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="acts")
    action = models.CharField(max_length=40, help_text="as in the audit trail, such as rollout.advance")
    before = models.CharField(max_length=12, blank=True)
    after = models.CharField(max_length=12, blank=True)
    weight_bp = models.PositiveIntegerField(default=0, help_text="after it")
    text = models.TextField(help_text="what happened and why, in words")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.action} of rollout {self.rollout_id}"
