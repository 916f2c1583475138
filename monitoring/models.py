"""What monitoring remembers: counts of predictions, service level objectives."""

from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from experiments.models import DatasetVersion
from monitoring.drift import DRIFT_SHARE, FeatureDrift
from monitoring.telemetry import COUNTED, LATENCY_BINS, SCORE_BINS, Counts
from registry.access import Actor
from registry.models import ModelVersion, RegisteredModel


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
    """The inputs of one version in one arm, counted in the bins of its reference. See ``monitoring.features``."""

    class Span(models.IntegerChoices):
        FIVE_MINUTES = 300, "5 minutes"
        HOUR = 3600, "hour"
        DAY = 86_400, "day"

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="feature_histograms")
    arm = models.CharField(max_length=20)
    span = models.PositiveIntegerField(choices=Span, help_text="seconds; a longer one is the sum of the shorter ones")
    started_at = models.DateTimeField(help_text="a multiple of the span")
    rows = models.PositiveBigIntegerField(help_text="predictions counted")
    cells = models.BinaryField(help_text="as monitoring.features.Cells packs them")

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


class SloQuerySet(models.QuerySet["Slo"]):
    """Reads that more than one caller needs."""

    def visible_to(self, actor: Actor) -> "SloQuerySet":
        """Keep the objectives of live models in the actor's teams."""
        rows = self.filter(model__team__in=actor.teams(), model__archived_at__isnull=True)
        return rows.select_related("model__team", "created_by")


class Slo(models.Model):
    """A promise about a model's answers over a rolling window."""

    class Kind(models.TextChoices):
        AVAILABILITY = "availability", "Availability"
        LATENCY = "latency", "Latency"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="slos")
    kind = models.CharField(max_length=12, choices=Kind)
    objective = models.DecimalField(max_digits=6, decimal_places=5, help_text="promised good share, such as 0.999")
    window_days = models.PositiveSmallIntegerField(default=30)
    threshold_us = models.PositiveIntegerField(null=True, help_text="latency that still counts as good; an edge")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SloQuerySet.as_manager()

    class Meta:
        ordering = ["model__name", "kind", "threshold_us", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "kind", "threshold_us", "window_days"], nulls_distinct=False, name="slo_said_once"
            ),
            models.CheckConstraint(condition=Q(objective__gt=0, objective__lt=1), name="slo_objective_is_a_share"),
            models.CheckConstraint(
                condition=Q(kind="latency", threshold_us__isnull=False)
                | Q(kind="availability", threshold_us__isnull=True),
                name="slo_latency_has_a_threshold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.model.name}"

    @property
    def path(self) -> str:
        """Path of the objective's page."""
        return f"/slos/{self.pk}/"

    @property
    def threshold_ms(self) -> float | None:
        """The latency threshold in milliseconds."""
        return None if self.threshold_us is None else self.threshold_us / 1000


class DriftReportQuerySet(models.QuerySet["DriftReport"]):
    """Reads that more than one caller needs."""

    def visible_to(self, actor: Actor) -> "DriftReportQuerySet":
        """Keep the reports on models of the actor's teams."""
        rows = self.filter(version__model__team__in=actor.teams())
        return rows.select_related("version__model__team", "reference__dataset")


class DriftReport(models.Model):
    """One comparison of a version's inputs with the rows it was trained on."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="drift_reports")
    reference = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="drift_reports")
    reference_rows = models.PositiveIntegerField(help_text="compared, at most those of the training split")
    current_rows = models.PositiveIntegerField(help_text="predictions compared")
    since = models.DateTimeField(help_text="predictions from here on were eligible")
    until = models.DateTimeField()
    features = models.JSONField(help_text="as monitoring.drift.FeatureDrift, most telling first")
    verdict = models.TextField(help_text="in one sentence")
    compared = models.PositiveIntegerField(help_text="how many features")
    drifted = models.PositiveIntegerField(help_text="how many features have drifted")
    html = models.CharField(max_length=300, help_text="Evidently's own report, relative to the report root")
    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="drift_report")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DriftReportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("since")), name="drift_report_spans_time"),
            models.CheckConstraint(
                condition=Q(compared__gt=0, drifted__lte=F("compared")), name="drifted_features_were_compared"
            ),
        ]

    def __str__(self) -> str:
        return f"drift report {self.pk} of {self.version}"

    @property
    def path(self) -> str:
        """Path of the report's page, which also names it in the audit trail."""
        return f"/drift/{self.pk}/"

    def feature_drifts(self) -> list[FeatureDrift]:
        """Return the features, most telling first."""
        return [FeatureDrift(**feature) for feature in self.features]

    @property
    def share(self) -> float:
        """Share of the features that have drifted, in [0, 1]."""
        return self.drifted / self.compared

    @property
    def has_drifted(self) -> bool:
        """Whether the inputs as a whole count as drifted."""
        return self.share >= DRIFT_SHARE
