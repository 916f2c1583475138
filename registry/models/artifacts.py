"""What is known of a version's files beside its manifest: how they were read, and what its inputs looked like."""

from typing import Any

from django.db import models

from registry.models.catalogue import ModelVersion


class VersionReading(models.Model):
    """The reading of a version's files: by which job, and what the artifact says of itself. Fixed once it was read."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, related_name="reading")
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+", help_text="that reads it")
    asked_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)
    flavors = models.JSONField(default=list, help_text="as MLflow names them")
    dependencies = models.JSONField(default=dict, help_text="{python, packages, from}, as declared")
    example = models.JSONField(default=dict, help_text="{columns, rows}: a few rows of input")
    licence = models.CharField(max_length=200, blank=True, help_text="as declared")
    conversion = models.JSONField(
        default=dict, help_text="to ONNX: {rows, difference, tolerance, reason, file}; see registry/converted.py"
    )

    def __str__(self) -> str:
        return f"reading of {self.version}"


class ReferenceProfile(models.Model):
    """What a version's inputs looked like where it was made, as histograms that later inputs are held against."""

    class Source(models.TextChoices):
        TRAINING = "training", "Training rows"
        PRODUCTION = "production", "First production rows"

    version = models.OneToOneField(ModelVersion, models.CASCADE, related_name="reference")
    source = models.CharField(max_length=10, choices=Source)
    rows = models.PositiveBigIntegerField()
    data_digest = models.CharField(max_length=71, blank=True, help_text="of the training data set version")
    columns = models.JSONField(help_text="{column: histogram}; see registry/histograms.py")
    score = models.JSONField(
        default=dict, help_text="histogram of the score on held-out rows, or of the first answers; empty where unknown"
    )
    job = models.ForeignKey("jobs.Job", models.PROTECT, null=True, related_name="+", help_text="that measured it")
    recorded_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"reference of {self.version}"

    def summary(self) -> list[dict[str, Any]]:
        """Return one line a column, for people: share of missing values, and the range or the commonest categories."""
        names = [column["name"] for column in self.version.signature.get("inputs", [])] or sorted(self.columns)
        return [{"name": name, **_summary(self.columns[name], self.rows)} for name in names if name in self.columns]


def _summary(column: dict[str, Any], rows: int) -> dict[str, Any]:
    found = {
        "kind": column["kind"],
        "missing": column["missing"] / rows if rows else None,
        "bins": len(column["counts"]),
    }
    if column["kind"] == "number":
        return found | {key: column.get(key) for key in ("min", "max", "mean", "std")}
    present = sum(column["counts"].values()) + column["other"]
    top = sorted(column["counts"].items(), key=lambda item: (-item[1], item[0]))[:3]  # PostgreSQL keeps no order
    return found | {"top": [(name, n / present) for name, n in top], "others": len(column["counts"]) - len(top)}
