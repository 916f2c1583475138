"""What was done with data: training, evaluation and scoring of whole inputs."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q

from experiments.models.datasets import DatasetVersion
from experiments.models.plans import EvaluationPlan
from experiments.models.searches import SearchTrial
from jobs.states import State
from registry.models import ModelVersion, Team


class TrainingRun(models.Model):
    """What a training job made: from these rows, by this pipeline, that version."""

    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="training_run")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="runs")
    version = models.OneToOneField(ModelVersion, models.PROTECT, related_name="training_run")
    pipeline = models.CharField(max_length=50)
    params = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict, help_text="on the validation rows; {name: value}")
    importance = models.JSONField(default=dict, help_text="{feature: share of the total}")
    detail = models.JSONField(default=dict, help_text="how it fared by fold, and what calibrating changed")
    run_id = models.CharField(max_length=64)
    experiment_id = models.CharField(max_length=64)
    trial = models.ForeignKey(
        SearchTrial, models.PROTECT, null=True, related_name="runs", help_text="of the search that found the parameters"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run {self.run_id}"


class Evaluation(models.Model):
    """One measuring of a version on held-out rows, alone or against the champion of that moment."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="evaluations")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="evaluations")
    suite = models.CharField(max_length=50, help_text="what is measured, with its version and that of the plan")
    plan = models.ForeignKey(
        EvaluationPlan, models.PROTECT, null=True, related_name="evaluations", help_text="null: as is usual"
    )
    against = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, related_name="+", help_text="the champion then"
    )
    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="evaluation")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "dataset_version", "suite", "against"],
                name="evaluation_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(against__isnull=True) | ~Q(against=models.F("version")), name="evaluated_against_another"
            ),
        ]

    def __str__(self) -> str:
        return f"evaluation of {self.version} on {self.dataset_version}"

    @property
    def stands(self) -> bool:
        """Whether it measured, or goes on measuring; one that failed or was cancelled may be asked for again."""
        return self.job.state not in (State.FAILED, State.CANCELLED)


class BatchScoring(models.Model):
    """One input scored with one version: rows of a data set, or files of the team's folder, into a table of its own."""

    class Format(models.TextChoices):
        PARQUET = "parquet", "Parquet"
        CSV = "csv", "CSV"
        DELTA = "delta", "Delta table"

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="batch_scorings")
    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="batch_scoring")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, null=True, related_name="batch_scorings")
    place = models.CharField(max_length=500, blank=True, help_text="of the input within the team's folder")
    format = models.CharField(max_length=10, choices=Format)
    keep = models.JSONField(default=list, help_text="columns of the input that are written beside the predictions")
    horizon = models.PositiveIntegerField(null=True, help_text="steps of a forecast")
    rows = models.PositiveBigIntegerField(null=True, help_text="of the input, once all are scored")
    input_version = models.PositiveBigIntegerField(null=True, help_text="of a Delta table, as it was read")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(dataset_version__isnull=False, place="") | Q(dataset_version__isnull=True) & ~Q(place=""),
                name="batch_scoring_has_one_input",
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def source(self) -> Path:
        """Where the input lies."""
        return self.dataset_version.parquet if self.dataset_version else inputs_of(self.version.model.team) / self.place

    @property
    def output(self) -> Path:
        """Where the table lies, once all is scored."""
        return Path(settings.BATCH_ROOT) / self.version.model.team.slug / "out" / str(self.pk)

    @property
    def input_name(self) -> str:
        """The input, as people know it."""
        return str(self.dataset_version) if self.dataset_version else self.place


def inputs_of(team: Team) -> Path:
    """Return the folder where a team puts what it wants scored."""
    return Path(settings.BATCH_ROOT) / team.slug / "in"
