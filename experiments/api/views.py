"""Views of the API: data sets, training and evaluation. What takes long answers 202 with the job to follow."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import selectors, services
from experiments.api.lookup import find_dataset, find_dataset_version, named_dataset_version
from experiments.api.serializers import (
    DatasetSerializer,
    DatasetVersionDetailSerializer,
    DatasetVersionSerializer,
    EvaluationSerializer,
    TrainingRunSerializer,
)
from experiments.builders.catalogue import BUILDERS
from experiments.pipelines.catalogue import PIPELINES
from jobs.api import JobSummarySerializer
from jobs.models import Job
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import models_of
from registry.api.models import TeamView
from registry.errors import InvalidError
from registry.models import RegisteredModel


def accepted(job: Job) -> Response:
    """Answer 202 with the job to follow."""
    return Response(JobSummarySerializer(job).data, status=202, headers={"Location": f"/api/v1/jobs/{job.pk}/"})


class DatasetQuery(ListQuery):
    """What the list of data sets is ordered by."""

    ordering = ordering("name", "created_at")


class DatasetBody(Strict):
    """A new data set."""

    name = serializers.CharField(max_length=100, help_text="lower-case letters, digits and hyphens")
    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    description = serializers.CharField(default="", allow_blank=True)


class Datasets(TeamView):
    """The data sets of the reader's teams."""

    query_class = DatasetQuery

    @extend_schema(summary="List data sets", responses=DatasetSerializer(many=True), tags=["Data sets"])
    def get(self, request: Request) -> Response:
        """List the data sets of your teams."""
        return self.page(selectors.datasets_of(self.actor), DatasetSerializer, "name")

    @extend_schema(
        summary="Make a data set", request=DatasetBody, responses={201: DatasetSerializer}, tags=["Data sets"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Make an empty data set. Asks for the role engineer."""
        values = self.body(DatasetBody)
        dataset = services.dataset_create(actor=self.actor, team=self.team(values.pop("team", None)), **values)
        return Response(DatasetSerializer(dataset).data, status=201)


class DatasetDetail(ApiView):
    """One data set."""

    @extend_schema(summary="Get a data set", responses=DatasetSerializer, tags=["Data sets"])
    def get(self, request: Request, name: str) -> Response:
        """Return a data set."""
        return Response(DatasetSerializer(find_dataset(self.actor, name)).data)


class BuildBody(Strict):
    """How the next version is built."""

    builder = serializers.ChoiceField(choices=list(BUILDERS))
    params = serializers.DictField(default=dict, help_text="declared by the builder; what is left out has its default")


class DatasetVersions(ApiView):
    """The versions of one data set."""

    query_class = ListQuery

    @extend_schema(
        summary="List data set versions", responses=DatasetVersionSerializer(many=True), tags=["Data sets"]
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """List the versions of a data set, newest first."""
        versions = find_dataset(self.actor, name).versions.select_related("dataset", "parent", "created_by", "golden")
        return self.page(versions, DatasetVersionSerializer, "-number")

    @extend_schema(
        summary="Build a data set version", request=BuildBody, responses={202: JobSummarySerializer}, tags=["Data sets"]
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Start a job that builds the next version. Asks for the role engineer."""
        dataset = find_dataset(self.actor, name)
        return accepted(services.dataset_build_start(actor=self.actor, dataset=dataset, **self.body(BuildBody)))


class DatasetVersionDetail(ApiView):
    """One version of a data set."""

    @extend_schema(summary="Get a data set version", responses=DatasetVersionDetailSerializer, tags=["Data sets"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return a version with its columns, profile, splits and quality checks."""
        return Response(DatasetVersionDetailSerializer(find_dataset_version(self.actor, name, number)).data)


class RunQuery(ListQuery):
    """Whose training runs or evaluations."""

    model = serializers.CharField(required=False)


class DataBody(Strict):
    """A body that names a model and the rows it is trained or measured on."""

    model = serializers.CharField()
    dataset = serializers.CharField()
    dataset_version = serializers.IntegerField(min_value=1)

    @staticmethod
    def find_model(view: ApiView, name: str) -> RegisteredModel:
        """Return the model that the body names.

        Raises:
            InvalidError: there is none, or it is not the asker's to see.
        """
        model = models_of(view.actor).filter(name=name).first()
        if model is None:
            raise InvalidError(f"You have no model {name}.", field="model")
        return model


class TrainingBody(DataBody):
    """A training."""

    pipeline = serializers.ChoiceField(choices=list(PIPELINES))
    params = serializers.DictField(default=dict, help_text="declared by the pipeline; what is left out has its default")


class Training(ApiView):
    """Training runs."""

    query_class = RunQuery

    @extend_schema(summary="List training runs", responses=TrainingRunSerializer(many=True), tags=["Training"])
    def get(self, request: Request) -> Response:
        """List the training runs of your teams that made a version, newest first."""
        runs = selectors.runs_of(self.actor)
        if "model" in self.query:
            runs = runs.filter(version__model__name=self.query["model"])
        return self.page(runs, TrainingRunSerializer, "-id")

    @extend_schema(
        summary="Train a version", request=TrainingBody, responses={202: JobSummarySerializer}, tags=["Training"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Start a job that trains, registers and evaluates the next version. Asks for the role engineer."""
        values: dict[str, Any] = self.body(TrainingBody)
        job = services.training_start(
            actor=self.actor, model=TrainingBody.find_model(self, values["model"]), pipeline=values["pipeline"],
            dataset_version=named_dataset_version(self.actor, values["dataset"], values["dataset_version"]),
            params=values["params"],
        )  # fmt: skip
        return accepted(job)


class EvaluationBody(DataBody):
    """An evaluation."""

    version = serializers.IntegerField(min_value=1, help_text="of the model")


class Evaluations(ApiView):
    """Evaluations."""

    query_class = RunQuery

    @extend_schema(summary="List evaluations", responses=EvaluationSerializer(many=True), tags=["Evaluation"])
    def get(self, request: Request) -> Response:
        """List the evaluations of your teams' versions, newest first."""
        rows = selectors.evaluations_of(self.actor)
        if "model" in self.query:
            rows = rows.filter(version__model__name=self.query["model"])
        return self.page(rows, EvaluationSerializer, "-id")

    @extend_schema(
        summary="Evaluate a version", request=EvaluationBody, responses={202: JobSummarySerializer}, tags=["Evaluation"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Start a job that measures a version, also against the present champion. Asks for the role engineer.

        The same measuring is done once: asking again is a conflict that names the job.
        """
        values: dict[str, Any] = self.body(EvaluationBody)
        model = EvaluationBody.find_model(self, values["model"])
        version = model.versions.select_related("model__team").filter(number=values["version"]).first()
        if version is None:
            raise InvalidError(f"{model.name} has no version {values['version']}.", field="version")
        data = named_dataset_version(self.actor, values["dataset"], values["dataset_version"])
        return accepted(services.evaluation_start(actor=self.actor, version=version, dataset_version=data))
