"""What is remembered of data, training and evaluation: enough to say what a version was made from and measured on."""

from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q

from registry.models import ModelVersion, Team


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Reads that more than one caller needs."""

    def visible_to(self, user: User) -> "DatasetQuerySet":
        """Keep the data sets of the user's teams."""
        return self.filter(team__memberships__user=user)


class Dataset(models.Model):
    """A named collection of rows of one team; the rows lie in its numbered versions."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="datasets")
    name = models.SlugField(max_length=100, unique=True, help_text="unique among all teams: it is in the address")
    description = models.TextField(blank=True)
    last_number = models.PositiveIntegerField(default=0, help_text="the highest version number ever given")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Path of the data set's page, which also names it in the audit trail."""
        return f"/datasets/{self.name}/"


class DatasetVersion(models.Model):
    """Immutable rows with their digest; ``number`` counts up from 1 within the data set."""

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71, help_text="sha256:<64 hex digits> over the content, not the file")
    file = models.CharField(max_length=300, help_text="Parquet, relative to the data root")
    rows = models.PositiveBigIntegerField()
    columns = models.JSONField(help_text="[{name, type, role, meaning}], in order")
    time_column = models.CharField(max_length=100)
    target = models.CharField(max_length=100)
    key = models.CharField(max_length=100, help_text="column that names a row")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    splits = models.JSONField(help_text="{name: {from, until, rows, positives}}; until is exclusive, UTC")
    profile = models.JSONField(help_text="{column: {nulls, distinct, …}}")
    checks = models.JSONField(help_text="[{name, passed, detail}]: quality checks made when it was built")
    source = models.TextField(help_text="where the rows come from and on what terms")
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+", help_text="that built it")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number_unique"),
            models.UniqueConstraint(fields=["dataset", "digest"], name="dataset_version_content_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"

    @property
    def path(self) -> str:
        """Path of the version's page, which also names it in the audit trail."""
        return f"{self.dataset.path}versions/{self.number}/"

    @property
    def parquet(self) -> Path:
        """Where its rows lie."""
        return settings.DATA_ROOT / self.file

    @property
    def failed_checks(self) -> list[str]:
        """Names of the quality checks that failed; data with any are not trained on."""
        return [check["name"] for check in self.checks if not check["passed"]]

    def features(self) -> list[str]:
        """Return the names of the columns a model may see, in order."""
        return [column["name"] for column in self.columns if column["role"] == "feature"]

    def categorical(self) -> list[str]:
        """Return the names of the features that hold categories."""
        return [c["name"] for c in self.columns if c["role"] == "feature" and c["type"] == "string"]


class TrainingRun(models.Model):
    """What a training job made: from these rows, by this pipeline, that version."""

    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="training_run")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="runs")
    version = models.OneToOneField(ModelVersion, models.PROTECT, related_name="training_run")
    pipeline = models.CharField(max_length=50)
    params = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict, help_text="on the validation rows; {name: value}")
    importance = models.JSONField(default=dict, help_text="{feature: share of the total}")
    run_id = models.CharField(max_length=64)
    experiment_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run {self.run_id}"


class Evaluation(models.Model):
    """One measuring of a version on held-out rows, alone or against the champion of that moment."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="evaluations")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="evaluations")
    suite = models.CharField(max_length=50)
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
