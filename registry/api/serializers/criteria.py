"""Acceptance criteria, and how a version does by them."""

from rest_framework import serializers

from registry.api.serializers.versions import EvidenceSerializer
from registry.api.serializers.waivers import WaiverSerializer
from registry.criteria import CheckStatus
from registry.models import AcceptanceCriterion, CriteriaSet
from registry.selectors import Check


class CriterionSerializer(serializers.ModelSerializer[AcceptanceCriterion]):
    """One acceptance criterion."""

    sentence = serializers.CharField(help_text="what it asks for, in plain words")

    class Meta:
        model = AcceptanceCriterion
        fields = ("position", "metric", "direction", "threshold", "against_champion", "basis", "data_set", "data_slice",
                  "phase", "blocking", "reason", "sentence")  # fmt: skip


class CriteriaSetSerializer(serializers.ModelSerializer[CriteriaSet]):
    """A numbered criteria set with its criteria."""

    model = serializers.CharField(source="model.name")
    drafted_by = serializers.CharField(source="drafted_by.username")
    agreed_by = serializers.CharField(source="agreed_by.username", allow_null=True, default=None)
    declined_by = serializers.CharField(source="declined_by.username", allow_null=True, default=None)
    criteria = CriterionSerializer(many=True)

    class Meta:
        model = CriteriaSet
        fields = ("id", "model", "number", "state", "digest", "note", "cases", "events", "drafted_by", "drafted_at", "agreed_by",
                  "agreed_at", "declined_by", "declined_at", "answer", "criteria")  # fmt: skip


class CheckSerializer(serializers.Serializer[Check]):
    """A criterion held against the latest evidence."""

    title = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in CheckStatus])
    why = serializers.CharField(help_text="what is wrong with the evidence, where it is stale or decides nothing")
    blocks = serializers.BooleanField(help_text="an approval is refused because of it")
    margin = serializers.FloatField(
        allow_null=True, help_text="distance to the threshold; negative is on the wrong side"
    )
    who = serializers.CharField(help_text="who can clear it, and how")
    criterion = CriterionSerializer()
    evidence = EvidenceSerializer(allow_null=True)
    champion = serializers.IntegerField(source="champion.number", allow_null=True, default=None)
    waiver = WaiverSerializer(allow_null=True)
