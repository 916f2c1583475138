"""Versions of a model, their evidence, and reading their files."""

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model, find_version, versions_of
from registry.api.serializers.versions import (
    EvidenceSerializer,
    ReferenceSerializer,
    VersionDetailSerializer,
    VersionSerializer,
)
from registry.conversions import conversion_of
from registry.errors import InvalidError, RefusedError
from registry.models import ArtifactState, Evidence, ModelVersion, ReferenceProfile, RegisteredModel
from registry.selectors.bom import MEDIA_TYPE, bom_text
from serving.contract import FORMATS

DIGEST = r"^sha256:[0-9a-f]{64}$"


class VersionQuery(ListQuery):
    """What the list of versions is filtered and ordered by."""

    artifact_state = serializers.ChoiceField(choices=ArtifactState.choices, required=False)
    run_id = serializers.CharField(required=False)
    ordering = ordering("-number", "-created_at")


class VersionBody(Strict):
    """A new version."""

    source = serializers.CharField(  # type: ignore[assignment]  # the metaclass takes fields off the class
        max_length=2000, help_text="`runs:/…`, `mlflow-artifacts:/…` or `models:/…`"
    )
    run_id = serializers.CharField(max_length=64, default="", allow_blank=True)
    run_link = serializers.URLField(max_length=2000, default="", allow_blank=True)
    description = serializers.CharField(default="", allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), default=dict)
    data_digest = serializers.RegexField(DIGEST, default="", allow_blank=True, help_text="of the training data")
    contributors = serializers.ListField(
        child=serializers.CharField(), default=list,
        help_text="user names of those who helped to make it; none of them may approve it",
    )  # fmt: skip

    def validate_tags(self, tags: dict[str, str]) -> dict[str, str]:
        """Hold keys to what the registry keeps."""
        for key in tags:
            serializers.CharField(max_length=250).run_validation(key)
        return tags


class Versions(ApiView):
    """The versions of a model."""

    query_class = VersionQuery

    @extend_schema(summary="List versions", responses=VersionSerializer(many=True), tags=["Versions"])
    def get(self, request: Request, name: str) -> Response:
        """List the versions of a model, newest first."""
        rows = versions_of(find_model(self.actor, name))
        asked = {key: self.query[key] for key in ("artifact_state", "run_id") if key in self.query}
        return self.page(rows.filter(**asked), VersionSerializer, "-id")

    @extend_schema(
        summary="Register a version", request=VersionBody, responses={201: VersionDetailSerializer}, tags=["Versions"]
    )
    def post(self, request: Request, name: str) -> Response:
        """Register the next version. Its files are read afterwards: see *Read the files of a version*."""
        model = find_model(self.actor, name)
        values = self.body(VersionBody)
        helpers = _people(model, values.pop("contributors"))
        version = services.version_create(actor=self.actor, model=model, contributors=helpers, **values)
        return Response(VersionDetailSerializer(find_version(self.actor, name, version.number)).data, status=201)


class Version(ApiView):
    """One version."""

    @extend_schema(summary="Get a version", responses=VersionDetailSerializer, tags=["Versions"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return a version with its signature and files."""
        return Response(VersionDetailSerializer(find_version(self.actor, name, number)).data)

    @extend_schema(summary="Archive a version", responses={204: None}, tags=["Versions"])
    def delete(self, request: Request, name: str, number: int) -> Response:
        """Put a version away; an admin may restore it for thirty days. 409 where something governed refers to it."""
        services.version_archive(actor=self.actor, version=find_version(self.actor, name, number))
        return Response(status=204)


class ArtifactRefusedError(RefusedError):
    """A version that no gateway will load."""

    code = "artifact"

    def __init__(self, version: ModelVersion) -> None:
        advice = conversion_of(version.format).advice if version.format else "Log the model again."
        rule = {"rule": version.refusal, "who": f"whoever logs the model. {advice}"}
        super().__init__(version.refusal, unmet=[rule])
        sound = version.artifact_state == ArtifactState.VERIFIED
        self.status = 415 if sound and version.format not in (*FORMATS, "code") else 422


class VersionVerify(ApiView):
    """Reading the files of a version."""

    @extend_schema(
        summary="Read the files of a version", request=None,
        responses={200: VersionDetailSerializer, 202: VersionDetailSerializer, 415: None}, tags=["Versions"],
    )  # fmt: skip
    def post(self, request: Request, name: str, number: int) -> Response:
        """Have a version's files read, or say what was found.

        202 while a job reads them, which begins by itself within seconds of the registration: ask again. 200 if a gateway
        may load the version, 415 if its format is none of those that gateways load, 422 if it is refused, brings code
        of its own or does not fit its signature; the `detail` says why, and what to do. Safe to repeat.
        """
        version = find_version(self.actor, name, number)
        services.version_read_start(version_id=version.pk, actor=self.actor)
        version = find_version(self.actor, name, number)
        if version.artifact_state == ArtifactState.UNREAD:
            return Response(VersionDetailSerializer(version).data, status=202)
        if not version.is_servable:
            raise ArtifactRefusedError(version)
        return Response(VersionDetailSerializer(version).data)


class VersionBom(ApiView):
    """The bill of materials of a version."""

    @extend_schema(
        summary="Download the bill of materials", tags=["Versions"],
        responses={(200, MEDIA_TYPE.partition(";")[0]): {"type": "object", "description": "CycloneDX 1.6"}},
    )  # fmt: skip
    def get(self, request: Request, name: str, number: int) -> HttpResponse:
        """Return what the version is made of and what was measured of it, as CycloneDX 1.6 with a model card."""
        version = find_version(self.actor, name, number)
        file = f"{slugify(name) or 'model'}-v{number}.cdx.json"
        return HttpResponse(
            bom_text(version),
            content_type=MEDIA_TYPE,
            headers={"Content-Disposition": f'attachment; filename="{file}"'},
        )


class VersionReference(ApiView):
    """What a version's inputs looked like where it was made."""

    @extend_schema(summary="Get the reference histograms", responses=ReferenceSerializer, tags=["Versions"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return a histogram of each input, of the training rows or, where these are not known here, of the first answered.

        A number's `edges` e0 … ek part the bins: 0 is below e0, i holds [e(i-1), ei), the last of those also ek, and k + 1 is
        above ek. `counts` holds no empty bins. 404 while nothing was noted.
        """
        version = find_version(self.actor, name, number)
        return Response(ReferenceSerializer(get_object_or_404(ReferenceProfile, version=version)).data)


class EvidenceQuery(ListQuery):
    """What the evidence of a version is filtered by."""

    kind = serializers.ChoiceField(choices=Evidence.Kind.choices, required=False)
    metric = serializers.CharField(required=False)
    data_slice = serializers.CharField(required=False)
    ordering = ordering("-id")


class VersionEvidence(ApiView):
    """What was measured of a version."""

    query_class = EvidenceQuery

    @extend_schema(summary="List evidence", responses=EvidenceSerializer(many=True), tags=["Versions"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """List what was measured of a version, latest first."""
        rows = find_version(self.actor, name, number).evidence.select_related("against")
        asked = {key: self.query[key] for key in ("kind", "metric", "data_slice") if key in self.query}
        return self.page(rows.filter(**asked), EvidenceSerializer)


def _people(model: RegisteredModel, names: list[str]) -> list[User]:
    found = {
        user.get_username(): user for user in User.objects.filter(memberships__team=model.team, username__in=names)
    }
    for name in names:
        if name not in found:
            raise InvalidError(f"{name} is not a member of {model.team.name}.", field="contributors")
    return list(found.values())
