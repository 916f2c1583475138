"""What was put away, and bringing it back."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import selectors, services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.serializers.models import ModelSerializer
from registry.api.serializers.versions import VersionDetailSerializer
from registry.models import ModelVersion, RegisteredModel


class ArchiveQuery(ListQuery):
    """What the archive is ordered by."""

    ordering = ordering("-archived_at")


class _ArchivedSerializer(serializers.ModelSerializer[Any]):
    archived_by = serializers.CharField(source="archived_by.username", default="", help_text="user name")
    restorable_until = serializers.SerializerMethodField()

    def get_restorable_until(self, row: RegisteredModel | ModelVersion) -> str:
        """Return the last moment at which an admin may restore it."""
        return (row.archived_at + services.RESTORABLE).isoformat() if row.archived_at else ""


class ArchivedModelSerializer(_ArchivedSerializer):
    """A model or prompt that was put away; its name may be another one's by now."""

    team = serializers.CharField(source="team.slug")

    class Meta:
        model = RegisteredModel
        fields = ("id", "name", "team", "is_prompt", "last_number", "archived_at", "archived_by", "restorable_until")


class ArchivedVersionSerializer(_ArchivedSerializer):
    """A version that was put away; no other one has its number."""

    model = serializers.CharField(source="model.name")

    class Meta:
        model = ModelVersion
        fields = ("id", "model", "number", "description", "archived_at", "archived_by", "restorable_until")


class RestoreBody(Strict):
    """How a model comes back."""

    name = serializers.CharField(max_length=256, required=False, help_text="where its own was taken meanwhile")


class ArchivedModels(ApiView):
    """The archived models of the reader's teams."""

    query_class = ArchiveQuery

    @extend_schema(summary="List archived models", responses=ArchivedModelSerializer(many=True), tags=["Archive"])
    def get(self, request: Request) -> Response:
        """List the models and prompts that your teams archived, latest first."""
        return self.page(selectors.archived_models(self.actor), ArchivedModelSerializer, "-id")


class ArchivedVersions(ApiView):
    """The archived versions of the reader's models."""

    query_class = ArchiveQuery

    @extend_schema(summary="List archived versions", responses=ArchivedVersionSerializer(many=True), tags=["Archive"])
    def get(self, request: Request) -> Response:
        """List the archived versions of models that are not archived themselves, latest first."""
        return self.page(selectors.archived_versions(self.actor), ArchivedVersionSerializer, "-id")


class ModelRestore(ApiView):
    """Bringing a model back."""

    @extend_schema(summary="Restore a model", request=RestoreBody, responses=ModelSerializer, tags=["Archive"])
    def post(self, request: Request, pk: int) -> Response:
        """Bring an archived model back with its versions. Asks for the role admin, within thirty days.

        409 where its name was taken meanwhile: send another `name`.
        """
        found = get_object_or_404(selectors.archived_models(self.actor), pk=pk)
        values = self.body(RestoreBody)
        return Response(ModelSerializer(services.model_restore(actor=self.actor, model_id=found.pk, **values)).data)


class VersionRestore(ApiView):
    """Bringing a version back."""

    @extend_schema(summary="Restore a version", request=None, responses=VersionDetailSerializer, tags=["Archive"])
    def post(self, request: Request, pk: int) -> Response:
        """Bring an archived version back under its number. Asks for the role admin, within thirty days."""
        found = get_object_or_404(selectors.archived_versions(self.actor), pk=pk)
        return Response(VersionDetailSerializer(services.version_restore(actor=self.actor, version_id=found.pk)).data)
