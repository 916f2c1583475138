"""Versions: their files, what was read of them, what was measured."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.models import Evidence, ModelVersion, ReferenceProfile, VersionReading


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A model version without its list of files."""

    model = serializers.CharField(source="model.name")
    created_by = serializers.CharField(source="created_by.username")
    contributors: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        many=True, read_only=True, slug_field="username"
    )
    aliases: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        many=True, read_only=True, slug_field="name"
    )
    tags = serializers.SerializerMethodField()
    is_servable = serializers.BooleanField(help_text="whether the gateway may load it")

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = ("model", "number", "source", "run_id", "run_link", "description", "artifact_state", "artifact_digest",
                  "format", "is_servable", "refusal", "signature", "data_digest", "job", "tags", "aliases",
                  "created_by", "contributors", "created_at", "retired_at", "path")  # fmt: skip

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_tags(self, version: ModelVersion) -> dict[str, str]:
        """Return the tags; the view prefetches them."""
        return {tag.key: tag.value for tag in version.tags.all()}


class FileSerializer(serializers.Serializer[Any]):
    """One file of an artifact."""

    path = serializers.CharField()
    size = serializers.IntegerField(help_text="bytes")
    sha256 = serializers.CharField()


class ConversionSerializer(serializers.Serializer[Any]):
    """What became of converting a scikit-learn pipeline to ONNX, when its files were read."""

    served_as = serializers.SerializerMethodField(help_text="`onnx` where the graph answers the same, else `skops`")
    rows = serializers.IntegerField(help_text="on which both were compared")
    difference = serializers.FloatField(help_text="the largest between the answers: absolute up to 1, relative beyond")
    tolerance = serializers.FloatField(help_text="that is allowed")
    reason = serializers.CharField(help_text="why the pipeline itself is served; empty where the graph is")
    file = FileSerializer(allow_null=True, default=None, help_text="the graph, signed with the version")

    @extend_schema_field(serializers.ChoiceField(choices=["onnx", "skops"]))
    def get_served_as(self, conversion: dict[str, Any]) -> str:
        """Return the format that gateways load."""
        return "onnx" if conversion.get("file") else "skops"


class ReadingSerializer(serializers.ModelSerializer[VersionReading]):
    """How a version's files were read, and what the artifact says of itself."""

    conversion = serializers.SerializerMethodField(help_text="null for formats that are served as they are")

    class Meta:
        model = VersionReading
        fields = ("job", "asked_at", "read_at", "flavors", "dependencies", "example", "licence", "conversion")

    @extend_schema_field(ConversionSerializer(allow_null=True))
    def get_conversion(self, reading: VersionReading) -> dict[str, Any] | None:
        """Return what became of the conversion."""
        return ConversionSerializer(reading.conversion).data if reading.conversion else None


class ReferenceSerializer(serializers.ModelSerializer[ReferenceProfile]):
    """What a version's inputs, and its scores, looked like where it was made."""

    class Meta:
        model = ReferenceProfile
        fields = ("source", "rows", "data_digest", "columns", "score", "job", "recorded_at")


class VersionDetailSerializer(VersionSerializer):
    """A model version with its files."""

    manifest = FileSerializer(many=True)
    reading = ReadingSerializer(allow_null=True, default=None)

    class Meta(VersionSerializer.Meta):
        fields = (*VersionSerializer.Meta.fields, "manifest", "reading")


class EvidenceSerializer(serializers.ModelSerializer[Evidence]):
    """One measured value."""

    against = serializers.IntegerField(source="against.number", allow_null=True, default=None,
                                       help_text="the version that a paired difference is measured against")  # fmt: skip

    class Meta:
        model = Evidence
        fields = ("id", "kind", "metric", "value", "ci_low", "ci_high", "sample_size", "against", "artifact_digest",
                  "data_set", "data_digest", "data_slice", "suite", "undecided", "detail", "job", "measured_at")  # fmt: skip
