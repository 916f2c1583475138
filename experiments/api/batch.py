"""Batch scorings."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import selectors, services
from experiments.api.lookup import named_dataset_version
from experiments.api.views import DataBody, RunQuery, accepted
from experiments.models import BatchScoring
from jobs.api import JobSummarySerializer
from registry.api.base import ApiView, Strict
from registry.errors import InvalidError


class BatchSerializer(serializers.ModelSerializer[BatchScoring]):
    """One input scored with one version."""

    model = serializers.CharField(source="version.model.name")
    version = serializers.IntegerField(source="version.number")
    dataset = serializers.CharField(source="dataset_version.dataset.name", allow_null=True, default=None)
    dataset_version = serializers.IntegerField(source="dataset_version.number", allow_null=True, default=None)
    rows = serializers.IntegerField(allow_null=True, help_text="of the input, once all are scored")
    output = serializers.SerializerMethodField(help_text="folder of the Delta table, once all are scored")
    state = serializers.CharField(source="job.state")
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = BatchScoring
        fields = (
            "model", "version", "dataset", "dataset_version", "place", "format", "keep", "horizon", "rows",
            "input_version", "output", "state", "job", "created_by", "created_at",
        )  # fmt: skip

    def get_output(self, scoring: BatchScoring) -> str | None:
        """Return the place of the table."""
        return None if scoring.rows is None else str(scoring.output)


class BatchBody(Strict):
    """A scoring. The input is a data set version, or what lies in the team's folder."""

    model = serializers.CharField()
    version = serializers.IntegerField(min_value=1, help_text="of the model")
    dataset = serializers.CharField(required=False)
    dataset_version = serializers.IntegerField(min_value=1, required=False)
    place = serializers.CharField(
        max_length=500, required=False, help_text="a file, a folder of files or a Delta table, within the team's folder"
    )
    format = serializers.ChoiceField(
        choices=BatchScoring.Format.choices, default="parquet", help_text="of what lies there"
    )
    keep = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="columns to write beside each prediction"
    )
    horizon = serializers.IntegerField(min_value=1, required=False, help_text="steps of a forecast")


class BatchScorings(ApiView):
    """Batch scorings."""

    query_class = RunQuery

    @extend_schema(summary="List batch scorings", responses=BatchSerializer(many=True), tags=["Batch scoring"])
    def get(self, request: Request) -> Response:
        """List the batch scorings of your teams, newest first."""
        rows = selectors.batch_scorings_of(self.actor)
        if "model" in self.query:
            rows = rows.filter(version__model__name=self.query["model"])
        return self.page(rows, BatchSerializer, "-id")

    @extend_schema(
        summary="Score a batch", request=BatchBody, responses={202: JobSummarySerializer}, tags=["Batch scoring"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Start a job that scores rows with a version and writes a Delta table. Asks for the role engineer."""
        values: dict[str, Any] = self.body(BatchBody)
        model = DataBody.find_model(self, values.pop("model"))
        number = values.pop("version")
        version = model.versions.select_related("model__team").filter(number=number, archived_at=None).first()
        if version is None:
            raise InvalidError(f"{model.name} has no version {number}.", field="version")
        if name := values.pop("dataset", None):
            if "dataset_version" not in values:
                raise InvalidError("Say which version of the data set.", field="dataset_version")
            values["dataset_version"] = named_dataset_version(self.actor, name, values["dataset_version"])
        elif "dataset_version" in values:
            raise InvalidError("Say of which data set.", field="dataset")
        return accepted(services.batch_start(actor=self.actor, version=version, **values))
