"""The audit trail."""

from rest_framework import serializers

from registry.models import AuditEvent


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """One line of the audit trail; hashes in hexadecimal."""

    prev_hash = serializers.SerializerMethodField()
    hash = serializers.CharField(source="hash_hex")

    class Meta:
        model = AuditEvent
        fields = ("seq", "at", "actor", "via", "team", "action", "subject", "payload", "prev_hash", "hash")

    def get_prev_hash(self, event: AuditEvent) -> str:
        """Return the hash that this event is chained to."""
        return bytes(event.prev_hash).hex()
