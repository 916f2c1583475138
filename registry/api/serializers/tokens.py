"""Tokens."""

from typing import Any

from rest_framework import serializers

from registry.models import ApiToken


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token without its secret, which is not kept."""

    user = serializers.CharField(source="user.username")
    team = serializers.CharField(source="team.slug")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiToken.Scope.choices))
    models: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        source="only_models", many=True, read_only=True, slug_field="name",
        help_text="what it may call with the scope predict; empty: every model of its team",
    )  # fmt: skip

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = ("id", "user", "team", "name", "prefix", "scopes", "models", "requests_per_s", "burst",
                  "in_flight", "created_at", "expires_at", "revoked_at", "last_used_at")  # fmt: skip
