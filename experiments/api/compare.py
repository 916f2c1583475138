"""Versions beside each other, for programs."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.comparing.chosen import chosen, comparison_of
from experiments.comparing.comparison import FEWEST, MOST
from registry.api.base import ApiView, Query
from registry.errors import InvalidError


class CompareQuery(Query):
    """Which versions."""

    several = ("version", "run")

    version = serializers.ListField(
        child=serializers.CharField(), required=False, default=list, help_text="such as `flight-delay:3`; several times"
    )
    run = serializers.ListField(
        child=serializers.CharField(), required=False, default=list,
        help_text="id of a training run, or of a run in MLflow, which stands for the version it made, if it made one; several times",
    )  # fmt: skip


class CellSerializer(serializers.Serializer[Any]):
    """One version's entry in a row; a measured one is held against the first version."""

    text = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="of the 95% interval")
    high = serializers.FloatField(allow_null=True)
    difference = serializers.FloatField(allow_null=True, help_text="to the first version")
    better = serializers.BooleanField(allow_null=True, help_text="null where it cannot be said")
    unclear = serializers.BooleanField(help_text="chance may explain the difference")
    paired = serializers.BooleanField(help_text="the difference was measured on the same rows")
    difference_low = serializers.FloatField(allow_null=True, help_text="of the 95% interval of a paired difference")
    difference_high = serializers.FloatField(allow_null=True)


class CompareRowSerializer(serializers.Serializer[Any]):
    """One fact of all versions."""

    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name
    differs = serializers.BooleanField()
    note = serializers.CharField()
    cells = CellSerializer(many=True)


class CompareGroupSerializer(serializers.Serializer[Any]):
    """Rows of one kind."""

    title = serializers.CharField()
    rows = CompareRowSerializer(many=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    """Versions and runs beside each other, the champion first."""

    versions = serializers.ListField(
        child=serializers.CharField(), help_text="names of versions, ids of runs that made none"
    )
    champion = serializers.CharField(allow_null=True)
    groups = CompareGroupSerializer(many=True)


class Compare(ApiView):
    """A comparison."""

    query_class = CompareQuery

    @extend_schema(summary="Compare versions", responses=ComparisonSerializer, tags=["Versions"])
    def get(self, request: Request) -> Response:
        """Return two to six versions or runs beside each other: measured values, parts, data, parameters and inputs."""
        columns = chosen(self.actor, self.query["version"], self.query["run"])
        if not FEWEST <= len(columns) <= MOST:
            raise InvalidError(
                f"Name {FEWEST} to {MOST} different versions or runs; these are {len(columns)}.", field="version"
            )
        comparison = comparison_of(columns)
        first = columns[0]
        shown = {
            "versions": [column.key for column in columns],
            "champion": first.key if first.is_champion else None,
            "groups": [asdict(group) for group in comparison.groups],
        }
        return Response(ComparisonSerializer(shown).data)
