"""Searches for good parameters."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import selectors, services
from experiments.api.lookup import named_dataset_version
from experiments.api.views import DataBody, RunQuery, accepted
from experiments.models import Search, SearchTrial
from experiments.pipelines.catalogue import PIPELINES
from jobs.api import JobSummarySerializer
from registry.api.base import ApiView, Strict


class TrialSerializer(serializers.ModelSerializer[SearchTrial]):
    """One try with parameters of its own."""

    class Meta:
        model = SearchTrial
        fields = (
            "number",
            "state",
            "params",
            "value",
            "metrics",
            "curve",
            "run_id",
            "job",
            "training",
            "started_at",
            "ended_at",
        )


class SearchSerializer(serializers.ModelSerializer[Search]):
    """A search, without its trials."""

    model = serializers.CharField(source="model.name")
    dataset = serializers.CharField(source="dataset_version.dataset.name")
    dataset_version = serializers.IntegerField(source="dataset_version.number")
    direction = serializers.CharField(help_text="maximize or minimize")
    trials = serializers.IntegerField(source="size", help_text="that it may make")
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = Search
        fields: tuple[str, ...] = (
            "id", "model", "dataset", "dataset_version", "pipeline", "params", "space", "metric", "direction", "sampler", "pruner",
            "seed", "trials", "parallel", "folds", "time_limit_s", "register_best", "state", "ended_because", "ended_at",
            "importances", "run_id", "experiment_id", "created_by", "created_at", "path",
        )  # fmt: skip


class SearchDetailSerializer(SearchSerializer):
    """A search with what it has found so far."""

    best = serializers.SerializerMethodField(help_text="the best complete trial")
    counts = serializers.SerializerMethodField(help_text="{state: trials}")

    class Meta(SearchSerializer.Meta):
        fields = (*SearchSerializer.Meta.fields, "best", "counts")

    def get_best(self, search: Search) -> dict[str, Any] | None:
        """Return the best complete trial."""
        best = selectors.best_trial(search)
        return dict(TrialSerializer(best).data) if best else None

    def get_counts(self, search: Search) -> dict[str, int]:
        """Return how many trials stand where."""
        return selectors.trial_counts(search)


class SearchBody(DataBody):
    """A search. What is left out is as the pipeline declares."""

    pipeline = serializers.ChoiceField(choices=list(PIPELINES))
    params = serializers.DictField(default=dict, help_text="what is not searched; {name: value}")
    space = serializers.DictField(
        required=False, help_text="where each searched parameter is looked for; {name: {low, high, log} or {choices}}"
    )
    metric = serializers.CharField(required=False, help_text="the objective; left out, the usual one of the task")
    trials = serializers.IntegerField(default=30)
    parallel = serializers.IntegerField(default=2, help_text="trials at once, on as many workers as are free")
    sampler = serializers.ChoiceField(choices=Search.Sampler.choices, default=Search.Sampler.TPE)
    pruner = serializers.ChoiceField(choices=Search.Pruner.choices, default=Search.Pruner.MEDIAN)
    seed = serializers.IntegerField(default=7)
    folds = serializers.IntegerField(default=0, help_text="of the training rows; 0: measured on the validation rows")
    time_limit_minutes = serializers.IntegerField(required=False, help_text="no trial begins later than this")
    register_best = serializers.BooleanField(default=False, help_text="train and register the best one at the end")


class RegisterBody(Strict):
    """Which trial is trained and registered."""

    number = serializers.IntegerField(min_value=0, required=False, help_text="left out, the best one")


class SearchView(ApiView):
    """What the views of one search share."""

    def find(self, pk: int) -> Search:
        """Return one search, or 404."""
        return get_object_or_404(selectors.searches_of(self.actor), pk=pk)


class Searches(ApiView):
    """The searches of the reader's teams."""

    query_class = RunQuery

    @extend_schema(summary="List searches", responses=SearchSerializer(many=True), tags=["Training"])
    def get(self, request: Request) -> Response:
        """List the searches of your teams, newest first."""
        rows: QuerySet[Search] = selectors.searches_of(self.actor)
        if "model" in self.query:
            rows = rows.filter(model__name=self.query["model"])
        return self.page(rows, SearchSerializer, "-id")

    @extend_schema(
        summary="Begin a search", request=SearchBody, responses={201: SearchDetailSerializer}, tags=["Training"]
    )
    def post(self, request: Request) -> Response:
        """Look for good parameters by many trials, each a job. Asks for the role engineer."""
        values: dict[str, Any] = self.body(SearchBody)
        minutes = values.pop("time_limit_minutes", None)
        search = services.search_create(
            actor=self.actor, model=SearchBody.find_model(self, values.pop("model")),
            dataset_version=named_dataset_version(self.actor, values.pop("dataset"), values.pop("dataset_version")),
            size=values.pop("trials"), time_limit_s=None if minutes is None else minutes * 60, **values,
        )  # fmt: skip
        return Response(
            SearchDetailSerializer(search).data, status=201, headers={"Location": f"/api/v1/searches/{search.pk}"}
        )


class OneSearch(SearchView):
    """One search."""

    @extend_schema(summary="Get a search", responses=SearchDetailSerializer, tags=["Training"])
    def get(self, request: Request, pk: int) -> Response:
        """Return a search with the best trial so far and how many trials stand where."""
        return Response(SearchDetailSerializer(self.find(pk)).data)


class SearchTrials(SearchView):
    """The trials of one search."""

    @extend_schema(summary="List the trials of a search", responses=TrialSerializer(many=True), tags=["Training"])
    def get(self, request: Request, pk: int) -> Response:
        """List the trials of a search in order."""
        return self.page(self.find(pk).trials.all(), TrialSerializer, "number")


class SearchStop(SearchView):
    """The end of a search before its time."""

    @extend_schema(summary="Cancel a search", request=None, responses=SearchDetailSerializer, tags=["Training"])
    def post(self, request: Request, pk: int) -> Response:
        """Stop the trials that run and make no more; what was found stays. Asks for the role engineer."""
        search = services.search_cancel(actor=self.actor, search_id=self.find(pk).pk)
        return Response(SearchDetailSerializer(search).data)


class SearchRegister(SearchView):
    """What comes of a search."""

    @extend_schema(
        summary="Register a trial", request=RegisterBody, responses={202: JobSummarySerializer}, tags=["Training"]
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Start a job that trains the best trial again, or the one named, and registers it. Asks for the role engineer."""
        search = self.find(pk)
        return accepted(services.search_register(actor=self.actor, search_id=search.pk, **self.body(RegisterBody)))
