"""The REST API of rollouts, mounted under `/api/v1/`."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.base import ApiView, Query
from registry.models import RegisteredModel
from rollouts.gateways.inventory import Holding, Inventory, Process, inventory
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

    @extend_schema(summary="Get the routing table", responses={200: RoutingSerializer, 404: None}, tags=["Serving"])
    def get(self, request: Request) -> Response:
        """Return the routing table in force: the routes of your teams' models. 404 before the first is published."""
        table = RoutingTable.objects.first()
        if table is None:
            raise Http404
        mine = set(RegisteredModel.objects.filter(team__in=self.actor.teams()).values_list("pk", flat=True))
        shown = {"version": table.version, "published_at": table.published_at, "routes": routes_of(table, mine)}
        return Response(RoutingSerializer(shown).data)


class ProcessSerializer(serializers.Serializer[Process]):
    """One gateway process."""

    id = serializers.CharField(source="spool_id")
    host = serializers.CharField()
    alive = serializers.BooleanField(help_text="told of itself within 15 seconds")
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    told_through = serializers.CharField(
        source="through", help_text="the gateway token's name; empty: the disk in common"
    )
    table_version = serializers.IntegerField(source="state.table_version")
    table_published_at = serializers.DateTimeField(source="published_at", allow_null=True)
    table_error = serializers.CharField(source="state.table_error")
    tables_behind = serializers.IntegerField(source="behind")
    callers_version = serializers.IntegerField(source="state.callers_version")
    memory_bytes = serializers.IntegerField(source="state.memory_bytes", help_text="of the loaded models")
    memory_limit_bytes = serializers.IntegerField(source="state.memory_limit_bytes", help_text="0: any number")
    versions_of_other_teams = serializers.IntegerField(source="hidden")


class HoldingSerializer(serializers.Serializer[Holding]):
    """A version as living gateways hold it."""

    model = serializers.CharField()
    version = serializers.IntegerField(source="number")
    digest = serializers.CharField()
    state = serializers.ChoiceField(
        choices=["loaded", "cold", "refused", "unknown"], help_text="unknown: loaded, and the registry does not know it"
    )
    arms = serializers.ListField(child=serializers.CharField(), help_text="that it answers for")
    bytes = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(help_text="why it is refused")
    processes = serializers.ListField(source="hosts", child=serializers.CharField(), help_text="host/pid")


class InventorySerializer(serializers.Serializer[Inventory]):
    """What gateways serve."""

    processes = ProcessSerializer(many=True)
    versions = HoldingSerializer(source="holdings", many=True)


class InventoryQuery(Query):
    """Which part of the inventory."""

    model = serializers.CharField(required=False, help_text="only versions of this one")


class Gateways(ApiView):
    """What gateways serve."""

    query_class = InventoryQuery

    @extend_schema(summary="Get the serving inventory", responses=InventorySerializer, tags=["Serving"])
    def get(self, request: Request) -> Response:
        """Return each gateway process, alive or gone within a week, and what living ones hold of your teams' models."""
        return Response(InventorySerializer(inventory(self.actor.teams(), model=self.query.get("model", ""))).data)
