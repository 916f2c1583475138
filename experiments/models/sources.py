"""Where the rows of a data set come from, declared so that they can be fetched again."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from experiments.models.datasets import Dataset


class DatasetUpload(models.Model):
    """A file that a person sent, until a job has made a version of it."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        PARQUET = "parquet", "Parquet"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=200, help_text="as its sender called it")
    format = models.CharField(max_length=10, choices=Format)
    size = models.PositiveBigIntegerField(help_text="bytes")
    digest = models.CharField(max_length=71, help_text="sha256:<64 hex digits> over the file")
    file = models.CharField(max_length=100, help_text="relative to the upload root")
    found = models.JSONField(help_text="{columns: [{name, type, samples}], dialect: {encoding, separator, decimal}}")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> Path:
        """Where the file lies."""
        return Path(settings.UPLOAD_ROOT) / self.file


class DatasetSource(models.Model):
    """One declared source: what is read, what its columns are, how its rows are split. It never changes; another one follows it."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", "Upload"
        FILES = "files", "Files or table"
        POSTGRES = "postgres", "PostgreSQL query"

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="sources")
    kind = models.CharField(max_length=10, choices=Kind)
    config = models.JSONField(help_text="what is read; never a secret")
    columns = models.JSONField(help_text="[{name, type, role, meaning}] of what is kept, in order")
    split = models.JSONField(help_text="{kind, column, cuts, shares, seed}")
    cron = models.CharField(
        max_length=100, blank=True, help_text="when it is run again: five fields; empty: when somebody asks"
    )
    time_zone = models.CharField(max_length=60, default="UTC")
    turn_at = models.DateTimeField(null=True, help_text="the last turn of the schedule that was taken")
    retired_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"source {self.pk} of {self.dataset}"

    @property
    def path(self) -> str:
        """Path of its page."""
        return f"{self.dataset.path}sources/{self.pk}/"

    @property
    def title(self) -> str:
        """What it reads, as people know it."""
        config: dict[str, Any] = self.config
        match self.kind:
            case self.Kind.UPLOAD:
                return str(config["name"])
            case self.Kind.FILES:
                return f"s3: {config['place']}" if config["on"] == "s3" else str(config["place"])
        return f"query of {config['connection']}"


def source_folder(team_slug: str) -> Path:
    """Return the folder that a team's data sets read files from."""
    return Path(settings.SOURCES_ROOT) / team_slug
