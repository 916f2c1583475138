"""Quality as late labels tell it: what a team decided on it, what was counted, and what is still to be counted anew."""

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from experiments.models import DatasetVersion
from monitoring.drift.features import Cells
from monitoring.quality.pairs import PairSums
from monitoring.quality.sums import Kind, Sums
from registry.models import ModelVersion, RegisteredModel, Task

HORIZON = timedelta(days=90)  # labels of older predictions restate nothing
BY_TASK = {
    Task.CLASSIFICATION: Kind.PROBABILITY, Task.ANOMALY: Kind.PROBABILITY, Task.RANKING: Kind.RANKING,
    Task.RETRIEVAL: Kind.RANKING, Task.FORECASTING: Kind.NUMBER, Task.REGRESSION: Kind.NUMBER,
}  # fmt: skip


class QualityPolicyQuerySet(models.QuerySet["QualityPolicy"]):
    """Policies of quality."""

    def in_force(self) -> Self:
        """Return the latest one of each model."""
        return self.order_by("model_id", "-number").distinct("model_id")


class QualityPolicy(models.Model):
    """One numbered version of how a model's quality is told by its labels. Rows are only ever added; the highest number is in force.

    Without a row the defaults hold.
    """

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="quality_policies")
    number = models.PositiveIntegerField(default=1)
    kind = models.CharField(
        max_length=20, blank=True, choices=[(kind.value, kind.value) for kind in Kind], help_text="empty: by the task"
    )
    output = models.CharField(max_length=200, blank=True, help_text="which output is judged; empty: the first fit one")
    threshold = models.FloatField(default=0.5, help_text="probability from which on the decision is yes")
    tolerance = models.FloatField(null=True, help_text="how far a number may be off and still be right")
    maturity_s = models.PositiveIntegerField(
        default=86_400, help_text="seconds after a prediction until its label is due"
    )
    min_coverage = models.FloatField(
        default=0.5, help_text="share of predictions with a label, from which on is judged"
    )
    slices = models.JSONField(default=dict, help_text="{input column: [values]} that are also counted apart")
    metric = models.CharField(max_length=60, blank=True, help_text="which metric is watched; empty: none")
    limit = models.FloatField(null=True, help_text="beyond which an alert is raised")
    watched_s = models.PositiveIntegerField(
        default=86_400, help_text="seconds of matured predictions that are judged together"
    )
    reason = models.TextField(blank=True, help_text="why it was changed")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(db_default=Now())

    objects = QualityPolicyQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="quality_policy_number_unique"),
            models.CheckConstraint(
                condition=Q(min_coverage__gte=0, min_coverage__lte=1), name="quality_coverage_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(metric="", limit=None) | (~Q(metric="") & Q(limit__isnull=False)),
                name="quality_watch_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"quality policy {self.number} of {self.model}"

    @property
    def compares(self) -> Kind:
        """What a label is compared with."""
        return Kind(self.kind) if self.kind else BY_TASK[Task(self.model.task)]

    @property
    def maturity(self) -> timedelta:
        """How long after a prediction its label is due."""
        return timedelta(seconds=self.maturity_s)

    @property
    def watched(self) -> timedelta:
        """Of how long predictions are judged together."""
        return timedelta(seconds=self.watched_s)


class Span(models.IntegerChoices):
    """How long a window is; the longer one is the exact sum of the shorter ones."""

    HOUR = 3600, "hour"
    DAY = 86_400, "day"


class QualityWindow(models.Model):
    """Predictions of one version in one arm, and what became of them, by when they were **made**. See ``monitoring.quality.sums``.

    A window is replaced as a whole where labels or predictions come late.
    """

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="quality_windows")
    arm = models.CharField(max_length=20)
    data_slice = models.CharField(max_length=200, blank=True, help_text="such as origin=JFK; empty: all")
    span = models.PositiveIntegerField(choices=Span)
    started_at = models.DateTimeField(help_text="a multiple of the span, UTC")
    kind = models.CharField(max_length=20)
    predictions = models.PositiveBigIntegerField()
    labelled = models.PositiveBigIntegerField()
    right = models.PositiveBigIntegerField(
        null=True, help_text="labelled ones that are right; null: nothing is said to be"
    )
    cells = models.BinaryField(help_text="probabilities by bin, as monitoring.drift.features.Cells packs them")
    sums = models.JSONField(default=dict)
    measured = models.JSONField(default=dict, help_text="{metric: fields of monitoring.quality.metrics.Measured}")
    estimated = models.JSONField(default=dict, help_text="the same without labels; empty where there is no reference")

    class Meta:
        indexes = [models.Index(fields=["span", "started_at"], name="quality_window_age")]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "arm", "data_slice", "span", "started_at"], name="quality_window_key"
            ),
            models.CheckConstraint(condition=Q(labelled__lte=F("predictions")), name="labelled_are_predictions"),
            models.CheckConstraint(
                condition=Q(right=None) | Q(right__lte=F("labelled")), name="right_ones_are_labelled"
            ),
        ]

    def __str__(self) -> str:
        return f"quality of {self.version} {self.arm}, {self.get_span_display()} from {self.started_at:%Y-%m-%d %H:%M}"

    def read(self) -> Sums:
        """Return what was counted."""
        return Sums(self.predictions, self.labelled, self.right, Cells.unpack(bytes(self.cells)), self.sums)


class QualityPairs(models.Model):
    """What a shadow answered beside the version that answered the caller, of predictions with a label. See ``monitoring.quality.pairs``."""

    champion = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+", help_text="that answered the caller")
    challenger = models.ForeignKey(ModelVersion, models.PROTECT, related_name="quality_pairs")
    span = models.PositiveIntegerField(choices=Span)
    started_at = models.DateTimeField(help_text="a multiple of the span, UTC")
    kind = models.CharField(max_length=20)
    labelled = models.PositiveBigIntegerField(help_text="predictions that both made, with a label")
    cells = models.BinaryField(help_text="pairs of probabilities by bin and label")
    sums = models.JSONField(default=dict)
    measured = models.JSONField(default=dict, help_text="{metric: difference, challenger minus champion}")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["challenger", "champion", "span", "started_at"], name="quality_pairs_key")
        ]

    def __str__(self) -> str:
        return f"quality of {self.challenger} beside v{self.champion.number} from {self.started_at:%Y-%m-%d %H:%M}"

    def read(self) -> PairSums:
        """Return what was counted."""
        return PairSums(self.labelled, Cells.unpack(bytes(self.cells)), self.sums)


class QualityReference(models.Model):
    """Labelled rows that a version was measured on, as far as an estimate without labels needs them."""

    version = models.OneToOneField(ModelVersion, models.PROTECT, related_name="quality_reference")
    data = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20)
    rows = models.PositiveBigIntegerField()
    cells = models.BinaryField(help_text="probabilities by bin and label")
    losses = models.JSONField(null=True, help_text="as monitoring.estimating.direct.LossModel; of numbers alone")
    measured = models.JSONField(default=dict, help_text="the metrics on these rows")
    refusal = models.CharField(max_length=300, blank=True, help_text="why nothing can be estimated from it")
    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="quality_reference")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"quality reference of {self.version}"


class QualityDue(models.Model):
    """An hour of a model's predictions that has to be counted anew; goes in the transaction that replaces its windows."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="+")
    started_at = models.DateTimeField(help_text="a full hour")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "started_at"], name="quality_due_once")]

    def __str__(self) -> str:
        return f"{self.model}: {self.started_at:%Y-%m-%d %H:00}"


class QualityCursor(models.Model):
    """Up to which state of a table of the lake is known which hours have changed."""

    table = models.CharField(max_length=20, unique=True)
    version = models.BigIntegerField()
    looked_at = models.DateTimeField(null=True)
    looking_s = models.FloatField(default=0.0, help_text="how long that took")

    def __str__(self) -> str:
        return f"{self.table} up to {self.version}"
