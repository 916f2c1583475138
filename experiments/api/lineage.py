"""The lineage of a data set version, bounded, and the list of what uses it."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.api.lookup import find_dataset_version
from experiments.lineage.rows import DataLineage, data_lineage, origin_of, uses_shown, ways
from experiments.models import DatasetVersion
from registry.api.base import ApiView, ListQuery
from registry.models import ModelVersion, Promotion


class RelativeSerializer(serializers.ModelSerializer[DatasetVersion]):
    """A version before or after."""

    class Meta:
        model = DatasetVersion
        fields = ("number", "digest", "path")


class OriginSerializer(serializers.Serializer[Any]):
    """What the rows were read from."""

    kind = serializers.CharField()
    title = serializers.CharField()
    note = serializers.CharField(help_text="how far it was read, in words")
    path = serializers.CharField(source="href", help_text="empty: it has no page")


class ModelUseSerializer(serializers.Serializer[Any]):
    """What one model made of the rows (counts)."""

    model = serializers.CharField(source="model.name")
    path = serializers.CharField(source="model.path")
    versions = serializers.IntegerField()
    trained = serializers.IntegerField()
    registered = serializers.IntegerField(help_text="from outside, naming the digest of the rows")
    measured = serializers.IntegerField()
    promotions = serializers.IntegerField()
    champion = serializers.IntegerField(allow_null=True, help_text="number of the version that is champion now")


class LineageSerializer(serializers.Serializer[DataLineage]):
    """A version between its origin and its uses: at most 20 relatives and 50 models are named, with how many there are."""

    version = RelativeSerializer()
    origin = serializers.SerializerMethodField()
    query = serializers.JSONField(
        source="version.query", help_text="what was asked for: query, file digest, table version, watermarks"
    )
    ancestors = RelativeSerializer(many=True, help_text="the nearest first")
    ancestor_count = serializers.IntegerField()
    children = RelativeSerializer(many=True, help_text="the latest first")
    child_count = serializers.IntegerField()
    models = ModelUseSerializer(many=True, help_text="with most versions first")
    model_count = serializers.IntegerField()
    use_count = serializers.IntegerField()
    uses = serializers.SerializerMethodField(help_text="address of the list of all uses")

    @extend_schema_field(OriginSerializer)
    def get_origin(self, found: DataLineage) -> Any:
        """Return the origin."""
        return OriginSerializer(origin_of(found.version)).data

    def get_uses(self, found: DataLineage) -> str:
        """Return the address of the list."""
        return f"/api/v1{found.version.path.rstrip('/')}/uses"


class Lineage(ApiView):
    """The lineage of a version."""

    @extend_schema(summary="Get the lineage of a data set version", responses=LineageSerializer, tags=["Data sets"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return where the rows come from, and what was made of them, by model with counts; `uses` lists each."""
        return Response(LineageSerializer(data_lineage(find_dataset_version(self.actor, name, number))).data)


class UsePromotionSerializer(serializers.ModelSerializer[Promotion]):
    """A promotion that was asked for a version."""

    class Meta:
        model = Promotion
        fields = ("id", "alias", "state", "path")


class UseSerializer(serializers.ModelSerializer[ModelVersion]):
    """A version of a model, and how it used the rows."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="number")
    ways = serializers.SerializerMethodField()
    job = serializers.IntegerField(
        source="training_run.job_id", default=None, allow_null=True, help_text="that trained it"
    )
    promotions = UsePromotionSerializer(many=True)
    aliases: serializers.RelatedField[Any, Any, Any] = serializers.SlugRelatedField(
        slug_field="name", many=True, read_only=True
    )

    class Meta:
        model = ModelVersion
        fields = ("model", "version", "path", "ways", "run_id", "job", "promotions", "aliases", "created_at")

    def get_ways(self, version: ModelVersion) -> list[str]:
        """Return: trained, registered, measured."""
        return ways(version)


class UsesQuery(ListQuery):
    """Of which model."""

    model = serializers.CharField(required=False)


class Uses(ApiView):
    """What uses a version."""

    query_class = UsesQuery

    @extend_schema(summary="List what uses a data set version", responses=UseSerializer(many=True), tags=["Data sets"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """List the versions of models that were trained on the rows, registered with their digest, or measured on them."""
        rows = uses_shown(find_dataset_version(self.actor, name, number))
        if "model" in self.query:
            rows = rows.filter(model__name=self.query["model"])
        return self.page(rows, UseSerializer, "-id")
