"""Trials: two versions of one model compared on live traffic, and what was counted of them. See ``monitoring.trials.guards``.

A trial's rows are written by the shipper, in the transaction that notes the segments. Windows and pairs are kept: they are what a
rollout was decided on. Keys, held answers and disagreements go after a while.
"""

import msgspec
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from monitoring.trials.guards import Guard
from registry.models import ModelVersion, RegisteredModel


class Trial(models.Model):
    """A candidate beside the champion, from an instant to another."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="trials")
    champion = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    candidate = models.ForeignKey(ModelVersion, models.PROTECT, related_name="trials")
    guards = models.JSONField(help_text="as monitoring.trials.guards.Guard")
    opened_at = models.DateTimeField(db_default=Now(), help_text="what arrived earlier is not counted")
    closed_at = models.DateTimeField(null=True)
    candidate_keys = models.PositiveIntegerField(default=0, help_text="different keys that the candidate answered")
    counted_until = models.DateTimeField(null=True, help_text="the latest request that is counted")
    last_candidate_at = models.DateTimeField(null=True, help_text="the latest request that the candidate answered")
    judged_at = models.DateTimeField(null=True, help_text="when labels were last joined")
    judging_s = models.FloatField(default=0.0, help_text="how long that took")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model"], condition=Q(closed_at__isnull=True), name="one_open_trial_per_model"
            ),
            models.CheckConstraint(condition=~Q(champion=F("candidate")), name="trial_compares_two_versions"),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(closed_at__gte=F("opened_at")),
                name="trial_closes_after_opening",
            ),
        ]

    def __str__(self) -> str:
        return f"trial of {self.candidate} beside v{self.champion.number}"

    def read_guards(self) -> list[Guard]:
        """Return what is compared."""
        return msgspec.convert(self.guards, list[Guard])


class TrialWindow(models.Model):
    """Ten seconds of one arm of a trial at one weight, as one guard counts them.

    Where ``guard`` is empty, requests are counted. For a guard of values ``n`` requests are measured, ``total`` and ``squares`` are the
    sums of the values and of their squares. Of a guard of quality ``exposed`` are predictions past their maturity, ``n`` the labelled
    ones, and the window is five minutes long: it is restated as labels come in.
    """

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="windows")
    guard = models.CharField(max_length=60)
    arm = models.CharField(max_length=20, help_text="champion, canary or shadow")
    weight_bp = models.PositiveIntegerField(help_text="the candidate's share in force; of a shadow the share mirrored")
    started_at = models.DateTimeField(help_text="a multiple of ten seconds")
    exposed = models.BigIntegerField(default=0, help_text="requests that could have had an event")
    events = models.BigIntegerField(default=0, help_text="requests that had one")
    first_events = models.BigIntegerField(default=0, help_text="of a key that had none before in either arm")
    n = models.BigIntegerField(default=0, help_text="values measured")
    total = models.FloatField(default=0.0)
    squares = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "guard", "arm", "weight_bp", "started_at"], name="trial_window_key"
            ),
            models.CheckConstraint(
                condition=Q(first_events__lte=F("events"), events__lte=F("exposed")), name="trial_events_are_exposed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.guard or 'requests'} in {self.arm} from {self.started_at:%H:%M:%S}"


class TrialKey(models.Model):
    """A key that had an event in a trial, in whichever arm: it counts once, so that events are independent of each other.

    Where ``guard`` is empty, a key that the candidate answered.
    """

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="keys")
    guard = models.CharField(max_length=60)
    key_hash = models.BigIntegerField(help_text="64 bits, read as signed")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trial", "guard", "key_hash"], name="trial_key_counts_once")]

    def __str__(self) -> str:
        return f"{self.guard or 'asked'}: {self.key_hash}"


class TrialPairs(models.Model):
    """Ten seconds of requests that a shadow was asked too, as one guard compares both answers.

    ``only_champion`` and ``only_candidate`` count requests that one of the two got right and the other did not: for a guard of
    errors answered, for one of quality predicted what came true; ``alike`` are then those that both predicted.
    """

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="pairs")
    guard = models.CharField(max_length=60)
    started_at = models.DateTimeField(help_text="a multiple of ten seconds")
    answered_both = models.BigIntegerField(default=0)
    missing = models.BigIntegerField(default=0, help_text="the shadow never told: dropped, and never read as agreement")
    alike = models.BigIntegerField(default=0)
    only_champion = models.BigIntegerField(default=0)
    only_candidate = models.BigIntegerField(default=0)
    n = models.BigIntegerField(default=0, help_text="differences measured")
    total = models.FloatField(default=0.0, help_text="of candidate minus champion")
    squares = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trial", "guard", "started_at"], name="trial_pairs_key"),
            models.CheckConstraint(condition=Q(alike__lte=F("answered_both")), name="alike_pairs_were_answered"),
        ]

    def __str__(self) -> str:
        return f"pairs of {self.guard or 'requests'} from {self.started_at:%H:%M:%S}"


class TrialHeld(models.Model):
    """One side of a pair whose other side has not been shipped yet."""

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="held")
    request_id = models.CharField(max_length=128)
    at = models.FloatField(help_text="seconds since the epoch; the same on both sides")
    is_shadow = models.BooleanField()
    status = models.PositiveSmallIntegerField()
    outputs = models.JSONField(help_text="row by row")
    inputs = models.JSONField(help_text="row by row, as logged")
    error = models.TextField(blank=True)
    held_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["held_at"], name="trial_held_age")]
        constraints = [
            models.UniqueConstraint(fields=["trial", "request_id", "at", "is_shadow"], name="trial_holds_once")
        ]

    def __str__(self) -> str:
        return f"{'shadow' if self.is_shadow else 'answer'} to {self.request_id}"


class TrialDisagreement(models.Model):
    """A row on which champion and candidate differ: of each guard the biggest differences, of equal ones the earliest."""

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="disagreements")
    guard = models.CharField(max_length=60)
    request_id = models.CharField(max_length=128)
    row = models.PositiveIntegerField()
    at = models.DateTimeField()
    size = models.FloatField(help_text="distance of the two numbers; 1 where they are no numbers")
    champion_outputs = models.JSONField()
    candidate_outputs = models.JSONField()
    error = models.TextField(blank=True, help_text="why the candidate did not answer")
    inputs = models.JSONField(help_text="as logged, so without what the model's policy withholds")

    class Meta:
        ordering = ["-size", "id"]
        indexes = [models.Index(fields=["trial", "guard", "-size", "id"], name="trial_biggest_first")]

    def __str__(self) -> str:
        return f"{self.request_id}, row {self.row}: {self.guard}"
