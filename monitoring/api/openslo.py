"""Objectives as OpenSLO documents."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import services
from monitoring.api.slos import TAGS
from monitoring.models import Slo
from registry.api.base import ApiView, Query, Strict
from registry.api.lookup import find_model


class OpenSloQuery(Query):
    """Of which model."""

    model = serializers.CharField(required=False, help_text="left out: all of your teams")


class OpenSloBody(Strict):
    """Documents to import."""

    text = serializers.CharField(trim_whitespace=False, help_text="OpenSLO v1 YAML, one or several documents")
    model = serializers.CharField(required=False, help_text="left out: the documents' services name it")
    reason = serializers.CharField(required=False, default="", help_text="where an objective of that name changes")


class ImportedSerializer(serializers.Serializer[services.Imported]):
    """What an import did."""

    created = serializers.SerializerMethodField()
    changed = serializers.SerializerMethodField()
    same = serializers.SerializerMethodField()
    notes = serializers.ListField(child=serializers.CharField(), help_text="what of the text was left out")

    def get_created(self, imported: services.Imported) -> list[str]:
        """Return the paths of objectives that were set."""
        return [slo.path for slo in imported.created]

    def get_changed(self, imported: services.Imported) -> list[str]:
        """Return the paths of objectives that were changed."""
        return [slo.path for slo in imported.changed]

    def get_same(self, imported: services.Imported) -> list[str]:
        """Return the paths of objectives that were so already."""
        return [slo.path for slo in imported.same]


class OpenSlo(ApiView):
    """Objectives as OpenSLO documents."""

    query_class = OpenSloQuery

    @extend_schema(
        summary="Export objectives as OpenSLO", responses={(200, "application/yaml"): OpenApiTypes.ANY}, tags=TAGS
    )
    def get(self, request: Request) -> HttpResponse:
        """Return the objectives of your teams, or of one model, as OpenSLO v1 YAML."""
        rows = Slo.objects.visible_to(self.actor)
        if name := self.query.get("model"):
            rows = rows.filter(model=find_model(self.actor, name))
        return HttpResponse(services.slos_export(list(rows)), content_type="application/yaml")

    @extend_schema(summary="Import OpenSLO documents", request=OpenSloBody, responses=ImportedSerializer, tags=TAGS)
    def post(self, request: Request) -> Response:
        """Set what the documents promise, all or nothing; a refusal names each line. Asks for engineer, product or admin."""
        values = self.body(OpenSloBody)
        name = values.pop("model", None)
        model = find_model(self.actor, name) if name else None
        return Response(ImportedSerializer(services.slos_import(actor=self.actor, model=model, **values)).data)
