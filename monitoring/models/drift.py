"""Drift reports."""

from django.db import models
from django.db.models import F, Q

from experiments.models import DatasetVersion
from monitoring.drift.words import FIRST_SHARE, FeatureDrift, SliceDrift
from registry.access import Actor
from registry.models import ModelVersion


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
    features = models.JSONField(
        help_text="as monitoring.drift.words holds features of that edition, most telling first"
    )
    edition = models.PositiveSmallIntegerField(
        default=2, help_text="how it was measured; 1: Evidently's distances against one fixed limit"
    )
    verdict = models.TextField(help_text="in one sentence")
    compared = models.PositiveIntegerField(help_text="how many features")
    drifted = models.PositiveIntegerField(help_text="how many features have drifted")
    classifier = models.JSONField(
        default=dict,
        help_text="whether both sides can be told apart at all: see monitoring/drift/full_report.py; empty: not asked",
    )
    slices = models.JSONField(
        default=list, help_text="monitoring.drift.words.SliceDrift of each, those with drift first"
    )
    policy_number = models.PositiveIntegerField(default=0, help_text="0: the defaults")
    html = models.CharField(
        max_length=300,
        blank=True,
        help_text="Evidently's own report, relative to the report root; empty: none was made",
    )
    note = models.TextField(blank=True, help_text="why there is no report of Evidently's")
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

    def slice_drifts(self) -> list[SliceDrift]:
        """Return the slices, those with drift first."""
        return [SliceDrift(**one) for one in self.slices]

    @property
    def share(self) -> float:
        """Share of the features that have drifted, in [0, 1]."""
        return self.drifted / self.compared

    @property
    def has_drifted(self) -> bool:
        """Whether the inputs as a whole count as drifted: in the first edition from half the features on, since then any."""
        return self.share >= FIRST_SHARE if self.edition == 1 else self.drifted > 0
