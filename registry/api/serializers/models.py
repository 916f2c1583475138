"""Models and their aliases."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.models import Alias, RegisteredModel


class ModelSerializer(serializers.ModelSerializer[RegisteredModel]):
    """A registered model and where its aliases point."""

    team = serializers.CharField(source="team.slug")
    created_by = serializers.CharField(source="created_by.username")
    aliases = serializers.SerializerMethodField(help_text="each alias with the version number it points at")

    class Meta:
        model = RegisteredModel
        fields = ("name", "team", "task", "risk_tier", "purpose", "description", "revalidate_by", "revalidate_why",
                  "revalidation_triggers", "retired_at", "aliases", "created_by", "created_at", "updated_at", "path")  # fmt: skip

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_aliases(self, model: RegisteredModel) -> dict[str, int]:
        """Return the aliases; the view prefetches them."""
        return {alias.name: alias.version.number for alias in model.aliases.all()}


class AliasSerializer(serializers.ModelSerializer[Alias]):
    """Where an alias points, and what moved it there."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="version.number")
    set_by = serializers.CharField(source="set_by.username")
    guarded = serializers.SerializerMethodField(help_text="it moves by an approved promotion or a rollback alone")

    class Meta:
        model = Alias
        fields = ("model", "name", "version", "guarded", "promotion", "rollback", "set_by", "set_at")

    def get_guarded(self, alias: Alias) -> bool:
        """Return whether the team guards it."""
        return alias.model.team.guards(alias.name)
