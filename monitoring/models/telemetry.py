"""Counts of predictions."""

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from monitoring.telemetry import COUNTED, LATENCY_BINS, SCORE_BINS, Counts
from registry.models import ModelVersion


def no_latencies() -> list[int]:
    """Return an empty latency histogram."""
    return [0] * LATENCY_BINS


def no_scores() -> list[int]:
    """Return an empty score histogram."""
    return [0] * SCORE_BINS


class CountsModel(models.Model):
    """A row that holds the fields of :class:`monitoring.telemetry.Counts`."""

    requests = models.BigIntegerField(default=0, help_text="routed, not the caller's fault")
    errors = models.BigIntegerField(default=0, help_text="5xx among them")
    first_failures = models.BigIntegerField(default=0, help_text="of a key that had not failed before, among those")
    caller_faults = models.BigIntegerField(default=0, help_text="4xx, counted apart")
    pinned = models.BigIntegerField(default=0, help_text="the caller chose the version; counted apart")
    rows = models.BigIntegerField(default=0, help_text="predictions made")
    latency = ArrayField(models.BigIntegerField(), default=no_latencies, help_text="answered requests by latency")
    scores = ArrayField(models.BigIntegerField(), default=no_scores, help_text="predictions by score")

    class Meta:
        abstract = True

    def counts(self) -> Counts:
        """Return the row's counts."""
        values = {name: getattr(self, name) for name in COUNTED}
        return Counts(**values | {"latency": tuple(self.latency), "scores": tuple(self.scores)})

    def set_counts(self, counts: Counts) -> Self:
        """Take over ``counts`` and return the row, unsaved."""
        for name in COUNTED:
            value = getattr(counts, name)
            setattr(self, name, list(value) if isinstance(value, tuple) else value)
        return self


class TelemetryWindow(CountsModel):
    """Ten seconds of one version in one arm; a change of weight or routing table starts another row. Kept 48 hours."""

    table_version = models.PositiveBigIntegerField(help_text="of the routing table in force")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="telemetry")
    arm = models.CharField(max_length=20)
    weight_bp = models.PositiveIntegerField(help_text="share of traffic in basis points")
    started_at = models.DateTimeField(help_text="a multiple of ten seconds")

    class Meta:
        indexes = [models.Index(fields=["started_at"], name="telemetry_window_age")]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "started_at", "arm", "table_version", "weight_bp"], name="telemetry_window_key"
            ),
            models.CheckConstraint(condition=Q(errors__lte=F("requests")), name="telemetry_errors_are_requests"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.arm} from {self.started_at:%H:%M:%S}"


class TelemetryHour(CountsModel):
    """One hour of one version in one arm: the exact sum of its windows, which it outlives."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="telemetry_hours")
    arm = models.CharField(max_length=20)
    started_at = models.DateTimeField(help_text="a full hour")

    class Meta:
        indexes = [models.Index(fields=["started_at"], name="telemetry_hour_age")]
        constraints = [
            models.UniqueConstraint(fields=["version", "started_at", "arm"], name="telemetry_hour_key"),
            models.CheckConstraint(condition=Q(errors__lte=F("requests")), name="hour_errors_are_requests"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.arm} from {self.started_at:%Y-%m-%d %H:00}"


class FailedKey(models.Model):
    """A caller's key that has failed in a version and arm. The hash is salted by the rollout, so another one starts anew."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    arm = models.CharField(max_length=20)
    key_hash = models.BigIntegerField(help_text="64 bits, read as signed")
    failed_at = models.DateTimeField(help_text="first")

    class Meta:
        indexes = [models.Index(fields=["failed_at"], name="failed_key_age")]
        constraints = [models.UniqueConstraint(fields=["version", "arm", "key_hash"], name="key_fails_first_once")]

    def __str__(self) -> str:
        return f"{self.version} {self.arm}: {self.key_hash}"


class FeatureHistogram(models.Model):
    """The inputs of one version in one arm, counted in the bins of its reference. See ``monitoring.drift.features``."""

    class Span(models.IntegerChoices):
        FIVE_MINUTES = 300, "5 minutes"
        HOUR = 3600, "hour"
        DAY = 86_400, "day"

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="feature_histograms")
    arm = models.CharField(max_length=20)
    span = models.PositiveIntegerField(choices=Span, help_text="seconds; a longer one is the sum of the shorter ones")
    started_at = models.DateTimeField(help_text="a multiple of the span")
    rows = models.PositiveBigIntegerField(help_text="predictions counted")
    cells = models.BinaryField(help_text="as monitoring.drift.features.Cells packs them")
    tails = models.JSONField(
        null=True,
        help_text="of five minutes, as monitoring.drift.tails: how far inputs reach beyond their range; null: not known",
    )

    class Meta:
        indexes = [models.Index(fields=["span", "started_at"], name="feature_histogram_age")]
        constraints = [
            models.UniqueConstraint(fields=["version", "arm", "span", "started_at"], name="feature_histogram_key")
        ]

    def __str__(self) -> str:
        return f"inputs of {self.version} {self.arm}, {self.get_span_display()} from {self.started_at:%Y-%m-%d %H:%M}"


class ShippedSegment(models.Model):
    """A segment whose records are in the windows. Segments of a spool are shipped in order."""

    spool_id = models.CharField(max_length=100)
    number = models.PositiveBigIntegerField()
    records = models.PositiveIntegerField()
    shipped_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["spool_id", "number"], name="segment_shipped_once")]

    def __str__(self) -> str:
        return f"segment {self.number} of {self.spool_id}"
