"""Finding one request again."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.labels import OutcomeSerializer
from monitoring.selectors.predictions import Answer, Found, find_request
from registry.api.base import ApiView, Query
from registry.api.lookup import find_model
from registry.models import RegisteredModel


class AnswerSerializer(serializers.Serializer[Answer]):
    """What one version answered to one row, as recorded; sensitive values as the log holds them."""

    row = serializers.IntegerField()
    at = serializers.DateTimeField()
    version = serializers.IntegerField(source="number")
    arm = serializers.CharField(help_text="champion, canary, shadow (answered nobody), or pinned (the caller chose)")
    table_version = serializers.IntegerField(help_text="of the routing table that was in force")
    weight_bp = serializers.IntegerField(help_text="of the arm then, in basis points")
    key_hash = serializers.CharField(source="key_hex", help_text="of the caller's key, which chose the arm; in hex")
    point_bp = serializers.IntegerField(source="point", help_text="where that hash lies among the arms' 10,000 points")
    pinned = serializers.BooleanField(help_text="the caller named the version or forced the arm")
    status = serializers.IntegerField()
    latency_us = serializers.IntegerField()
    inputs = serializers.DictField()
    outputs = serializers.DictField()
    error = serializers.CharField()
    is_shipped = serializers.BooleanField(help_text="in the lake; false while it is on its way there")


class FoundSerializer(serializers.Serializer[Found]):
    """One request to one model."""

    model = serializers.CharField(source="model.name")
    request_id = serializers.CharField()
    caller = serializers.CharField(source="caller.name", default=None, help_text="the token that asked; null if none")
    answers = AnswerSerializer(many=True)
    labels = OutcomeSerializer(source="outcomes", many=True)


class FindQuery(Query):
    """Which request."""

    request_id = serializers.CharField(max_length=128)
    model = serializers.CharField(required=False, help_text="name; finds it sooner")
    day = serializers.DateField(required=False, help_text="UTC; finds it sooner")


class Predictions(ApiView):
    """One request, by its id."""

    pagination_class = None
    query_class = FindQuery

    @extend_schema(
        summary="Find a prediction", parameters=[FindQuery], responses=FoundSerializer(many=True),
        tags=["Prediction log"],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Return what your teams' models were asked and answered under a request's id, and what became of it."""
        models = RegisteredModel.objects.filter(team__in=self.actor.teams())
        if name := self.query.get("model"):
            models = models.filter(pk=find_model(self.actor, name).pk)
        found: Any = find_request(models, self.query["request_id"], day=self.query.get("day"))
        if not found:
            raise Http404
        return Response(FoundSerializer(found, many=True).data)
