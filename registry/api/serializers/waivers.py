"""Waivers."""

from rest_framework import serializers

from registry.models import Waiver


class WaiverSerializer(serializers.ModelSerializer[Waiver]):
    """A rule that one promotion may pass without meeting it: why, until when, by whom."""

    criterion = serializers.IntegerField(
        source="criterion.position", allow_null=True, default=None, help_text="null: the gate of the error budget"
    )
    asked_by = serializers.CharField(source="asked_by.username")
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)
    revoked_by = serializers.CharField(source="revoked_by.username", allow_null=True, default=None)

    class Meta:
        model = Waiver
        fields = ("id", "promotion", "rule", "criterion", "state", "reason", "evidence", "link", "document", "expires_at",
                  "asked_by", "asked_at", "decided_by", "decided_at", "note", "revoked_by", "revoked_at",
                  "revoke_reason")  # fmt: skip
