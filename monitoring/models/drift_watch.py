"""Watching for drift: what a team decided on it, and what each look at the latest inputs found."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from registry.access import Actor
from registry.models import ModelVersion, RegisteredModel

DAY_S = 86_400
MAX_DRIFT_HOURS = 24
MIN_SAMPLE, MAX_SAMPLE = 1_000, 50_000


class DriftPolicyQuerySet(models.QuerySet["DriftPolicy"]):
    """Policies of drift."""

    def in_force(self) -> Self:
        """Return the latest one of each model."""
        return self.order_by("model_id", "-number").distinct("model_id")


class DriftPolicy(models.Model):
    """One numbered version of how a model's inputs are watched. Rows are only ever added; the highest number is in force.

    Without a row the defaults hold.
    """

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="drift_policies")
    number = models.PositiveIntegerField(default=1)
    window_hours = models.PositiveSmallIntegerField(
        default=1, help_text="of the short window; a day is always looked at as well"
    )
    alpha = models.FloatField(default=0.01, help_text="false alarms of one feature that are accepted, as a share")
    fdr = models.FloatField(
        default=0.01, help_text="share of wrong ones among the features that are said to have drifted"
    )
    effect_floor = models.FloatField(default=0.1, help_text="the smallest shift that counts, in standard deviations")
    muted = models.JSONField(default=list, help_text="features whose drift counts for nothing")
    slices = models.JSONField(default=list, help_text="categories by whose values full reports are taken apart")
    report_cron = models.CharField(max_length=100, blank=True, help_text="when full reports are made; empty: on demand")
    report_zone = models.CharField(max_length=60, default="UTC", help_text="IANA time zone of the schedule")
    sample_rows = models.PositiveIntegerField(
        default=MAX_SAMPLE, help_text="predictions that a full report reads at most"
    )
    reason = models.TextField(blank=True, help_text="why it was changed")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(db_default=Now())

    objects = DriftPolicyQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="drift_policy_number_unique"),
            models.CheckConstraint(
                condition=Q(
                    window_hours__gte=1,
                    window_hours__lte=MAX_DRIFT_HOURS,
                    alpha__gt=0,
                    alpha__lt=1,
                    fdr__gt=0,
                    fdr__lt=1,
                )
                & Q(effect_floor__gte=0, sample_rows__gte=MIN_SAMPLE, sample_rows__lte=MAX_SAMPLE),
                name="drift_policy_is_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"drift policy {self.number} of {self.model}"

    @property
    def spans(self) -> list[int]:
        """How long the windows are that are looked at, in seconds, the short one first."""
        return sorted({self.window_hours * 3600, DAY_S})


class DriftWindowQuerySet(models.QuerySet["DriftWindow"]):
    """Windows that were judged."""

    def visible_to(self, actor: Actor) -> Self:
        """Keep the windows of models of the actor's teams."""
        return self.filter(version__model__team__in=actor.teams())

    def light(self) -> Self:
        """Leave out what only one window's own page shows."""
        return self.defer("findings", "drawings")


class DriftWindow(models.Model):
    """What a look at the latest inputs of one version in one arm found; one row a slot, which holds its last look.

    A slot is an hour of the clock, or a day where the window is one. The window judged in it ends with the look.
    """

    class State(models.TextChoices):
        STEADY = "steady", "Holds"
        DRIFTED = "drifted", "Drifted"
        BROKEN = "broken", "Data breaks"
        THIN = "thin", "Too few rows"

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="drift_windows")
    arm = models.CharField(max_length=20)
    span = models.PositiveIntegerField(help_text="seconds that are looked at")
    slot_at = models.DateTimeField(help_text="a full hour, or a day's start")
    since = models.DateTimeField(help_text="start of what was judged last in the slot")
    until = models.DateTimeField()
    rows = models.PositiveBigIntegerField(help_text="predictions judged")
    state = models.CharField(max_length=10, choices=State)
    verdict = models.TextField(help_text="in a sentence")
    compared = models.PositiveIntegerField(help_text="features with enough rows on both sides")
    drifted = models.PositiveIntegerField(help_text="features that have drifted, muted ones left out")
    broken = models.PositiveIntegerField(help_text="features whose data broke, muted ones left out")
    peak = models.FloatField(null=True, help_text="the largest distance of any feature, in multiples of its threshold")
    causes = models.JSONField(default=list, help_text="names of what drifted or broke, the likeliest causes first")
    policy_number = models.PositiveIntegerField(default=0, help_text="0: the defaults")
    findings = models.BinaryField(help_text="as monitoring.drift.packing packs them")
    drawings = models.JSONField(default=list, help_text="of the likeliest causes: labels and shares on both sides")
    judged_at = models.DateTimeField()

    objects = DriftWindowQuerySet.as_manager()

    class Meta:
        ordering = ["-slot_at", "-id"]
        indexes = [
            models.Index(fields=["slot_at"], name="drift_window_age"),
            models.Index(fields=["version", "arm", "-judged_at", "span"], name="drift_window_latest"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["version", "arm", "span", "slot_at"], name="drift_window_key"),
            models.CheckConstraint(
                condition=Q(until__gt=F("since"), drifted__lte=F("compared")), name="drift_window_is_sound"
            ),
        ]

    def __str__(self) -> str:
        return f"inputs of {self.version} {self.arm} until {self.until:%Y-%m-%d %H:%M}"

    @property
    def path(self) -> str:
        """Path of the page that shows it."""
        return f"{self.version.model.path}drift/?window={self.pk}"

    @property
    def hours(self) -> int:
        """How long the window is, in hours."""
        return self.span // 3600
