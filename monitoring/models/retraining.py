"""When models are trained anew by themselves, and each time that they were."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from experiments.models import DatasetVersion, Evaluation
from jobs.models import Job
from monitoring.retraining.checks import read_policy
from monitoring.retraining.parts import AUTOMATION_WORDS, Policy
from monitoring.retraining.states import OPEN, State
from registry.access import Actor
from registry.models import ModelVersion, Promotion, RegisteredModel


class RetrainingPolicyQuerySet(models.QuerySet["RetrainingPolicy"]):
    """Reads that more than one caller needs."""

    def in_force(self) -> "RetrainingPolicyQuerySet":
        """Return the latest policy of each model that is neither archived nor retired."""
        rows = self.filter(model__archived_at__isnull=True, model__retired_at__isnull=True)
        return rows.order_by("model_id", "-number").distinct("model_id").select_related("model__team", "made_by")


class RetrainingPolicy(models.Model):
    """One numbered version of when a model is trained anew. Rows are only ever added; the highest number is in force.

    Who made it answers for it: what it starts is done in that person's name.
    """

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="retraining_policies")
    number = models.PositiveIntegerField(default=1)
    enabled = models.BooleanField(default=True, help_text="whether it starts anything")
    document = models.JSONField(help_text="as monitoring.retraining.checks reads it")
    reason = models.TextField(help_text="what changed, and why")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())

    objects = RetrainingPolicyQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="retraining_policy_number_unique"),
        ]

    def __str__(self) -> str:
        return f"retraining policy {self.number} of {self.model.name}"

    @property
    def rules(self) -> Policy:
        """What it says."""
        return read_policy(self.document)

    @property
    def automation_words(self) -> str:
        """How far it goes by itself."""
        return AUTOMATION_WORDS[self.rules.automation]


class RetrainingWatch(models.Model):
    """What the last look at a model's conditions found. One row per model, which is also what a look locks."""

    model = models.OneToOneField(RegisteredModel, models.PROTECT, related_name="retraining_watch")
    policy = models.ForeignKey(RetrainingPolicy, models.PROTECT, null=True, related_name="+")
    looked_at = models.DateTimeField(null=True)
    looking_s = models.FloatField(default=0.0, help_text="how long the last look took")
    turn_at = models.DateTimeField(null=True, help_text="the last turn of a schedule that was looked at")
    next_turn_at = models.DateTimeField(null=True)
    findings = models.JSONField(
        default=list, help_text="as monitoring.retraining.findings.Finding, one for each condition"
    )
    holds = models.BooleanField(default=False, help_text="whether the conditions held together")
    fault = models.TextField(blank=True, help_text="why it could not be looked")

    def __str__(self) -> str:
        return f"watch over {self.model.name}"


class RetrainingQuerySet(models.QuerySet["Retraining"]):
    """Reads that more than one caller needs."""

    def visible_to(self, actor: Actor) -> "RetrainingQuerySet":
        """Keep those of models of the actor's teams, with what pages show."""
        rows = self.filter(model__team__in=actor.teams())
        return rows.select_related(
            "model__team", "policy__made_by", "asked_by", "dataset_version__dataset", "version__model", "promotion",
            "evaluation__against",
        )  # fmt: skip

    def open(self) -> "RetrainingQuerySet":
        """Keep those that go on."""
        return self.filter(state__in=[state.value for state in OPEN])


class Retraining(models.Model):
    """One time that a model was, or was to be, trained anew: why, on what, and what came of it."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="retrainings")
    policy = models.ForeignKey(RetrainingPolicy, models.PROTECT, related_name="retrainings")
    slot = models.CharField(
        max_length=64, help_text="the turn of a schedule, or which retraining it follows: taken once"
    )
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value.capitalize()) for s in State], default=State.DUE.value
    )
    why = models.TextField(help_text="in one sentence")
    findings = models.JSONField(default=list, help_text="what each condition found at that moment")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="who asked for it, or started it",
    )
    outcome = models.TextField(blank=True, help_text="why it is held, or how it ended")
    rule = models.CharField(max_length=40, blank=True, help_text="which rule holds it, or stopped it")
    held_until = models.DateTimeField(null=True)
    freeze_job = models.ForeignKey(Job, models.PROTECT, null=True, related_name="+")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, null=True, related_name="+")
    job = models.ForeignKey(Job, models.PROTECT, null=True, related_name="+", help_text="that trains")
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    evaluation = models.ForeignKey(Evaluation, models.PROTECT, null=True, related_name="+")
    comparison = models.JSONField(default=dict, help_text="with the champion on the same rows")
    promotion = models.ForeignKey(Promotion, models.PROTECT, null=True, related_name="+")
    due_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, help_text="when its rows began to be frozen")
    ended_at = models.DateTimeField(null=True)

    objects = RetrainingQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "slot"], name="retraining_slot_taken_once"),
            models.UniqueConstraint(
                fields=["model"], condition=Q(ended_at__isnull=True), name="one_open_retraining_per_model"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, state__in=[s.value for s in OPEN])
                | Q(ended_at__isnull=False) & ~Q(state__in=[s.value for s in OPEN]),
                name="retraining_ends_with_its_state",
            ),
        ]

    def __str__(self) -> str:
        return f"retraining {self.pk} of {self.model.name}"

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/retraining/{self.pk}/"

    @property
    def process(self) -> str:
        """How it is named where it acts."""
        return f"retraining:{self.pk}"
