"""The REST API of rollouts, mounted under `/api/v1/`."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.base import ApiView
from registry.models import RegisteredModel
from rollouts.models import RoutingTable
from rollouts.selectors import routes_of
from serving.contract import Arm, Route, Version


class RouteArmSerializer(serializers.Serializer[Arm]):
    """A share of the traffic."""

    name = serializers.CharField(help_text="champion, canary or shadow")
    version = serializers.IntegerField(source="number")
    weight_bp = serializers.IntegerField(help_text="basis points; all but shadow add up to 10,000")


class LoadedSerializer(serializers.Serializer[Version]):
    """A version that gateways keep loaded."""

    version = serializers.IntegerField(source="number")
    format = serializers.CharField()
    digest = serializers.CharField()


class RouteSerializer(serializers.Serializer[Route]):
    """How one model's requests are answered."""

    model = serializers.CharField()
    task = serializers.CharField()
    arms = RouteArmSerializer(many=True)
    aliases = serializers.DictField(child=serializers.IntegerField(), help_text="version by alias")
    versions = LoadedSerializer(many=True)
    standby = serializers.ListField(
        child=serializers.IntegerField(), help_text="kept in memory beside the arms: a rollback to them loads nothing"
    )


class RoutingSerializer(serializers.Serializer[Any]):
    """The routing table in force, as far as it concerns your teams."""

    version = serializers.IntegerField(help_text="only grows; prediction records carry it")
    published_at = serializers.DateTimeField()
    routes = RouteSerializer(many=True)


class Routing(ApiView):
    """What is routed where."""

    @extend_schema(summary="Get the routing table", responses=RoutingSerializer, tags=["Serving"])
    def get(self, request: Request) -> Response:
        """Return the routing table in force: the routes of your teams' models. 404 before the first is published."""
        table = RoutingTable.objects.first()
        if table is None:
            raise Http404
        mine = set(RegisteredModel.objects.filter(team__in=self.actor.teams()).values_list("pk", flat=True))
        shown = {"version": table.version, "published_at": table.published_at, "routes": routes_of(table, mine)}
        return Response(RoutingSerializer(shown).data)
