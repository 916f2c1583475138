"""Promotions with what a decision rests on, and going back."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.serializers.criteria import CheckSerializer
from registry.models import Approval, Comment, Promotion, Rollback
from registry.selectors import lapses, promotion_binding
from registry.states import PromotionState

PROMOTION_STATES = [state.value for state in PromotionState]


class PromotionSerializer(serializers.ModelSerializer[Promotion]):
    """What a promotion asks for, and where it stands."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="version.number")
    replaces = serializers.IntegerField(source="replaces.number", allow_null=True, default=None)
    criteria_set = serializers.IntegerField(source="criteria_set.number")
    state = serializers.ChoiceField(choices=PROMOTION_STATES)
    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = Promotion
        fields: tuple[str, ...] = ("id", "model", "version", "alias", "replaces", "criteria_set", "state", "description",
                  "policy", "requested_by", "requested_at", "decided_at", "completed_at", "outcome",
                  "carried_by", "path")  # fmt: skip


class RuleSerializer(serializers.Serializer[Any]):
    """A rule that an approval by the reader rests on."""

    met = serializers.BooleanField()
    text = serializers.CharField()
    who = serializers.CharField(help_text="who can clear it; empty where it is met")


class ApprovalSerializer(serializers.ModelSerializer[Approval]):
    """One person's decision, bound to what that person was shown; or given beforehand, by a standing approval."""

    approver = serializers.CharField(source="approver.username")
    standing = serializers.IntegerField(
        source="standing_id", allow_null=True, help_text="id of the standing approval; null: given by hand"
    )

    class Meta:
        model = Approval
        fields = ("approver", "role", "decision", "reason", "binding", "binding_digest", "standing", "decided_at")


class CommentSerializer(serializers.ModelSerializer[Comment]):
    """A remark on a promotion."""

    author = serializers.CharField(source="author.username")

    class Meta:
        model = Comment
        fields = ("id", "author", "body", "at")


class LapseSerializer(serializers.Serializer[Any]):
    """An approval that counts no longer, and what changed under it."""

    approver = serializers.CharField(source="approval.approver.username")
    at = serializers.DateTimeField(allow_null=True, help_text="when the last of the changes happened")
    because = serializers.ListField(child=serializers.CharField())


class PromotionDetailSerializer(PromotionSerializer):
    """A promotion with everything a decision rests on."""

    binding = serializers.SerializerMethodField(help_text="digest of what an approval given now is bound to; the ETag")
    checks = serializers.SerializerMethodField()
    rules = serializers.SerializerMethodField()
    approvals = ApprovalSerializer(many=True)
    lapses = serializers.SerializerMethodField(help_text="approvals that what changed since has made void")
    comments = CommentSerializer(many=True)

    class Meta(PromotionSerializer.Meta):
        fields = (*PromotionSerializer.Meta.fields, "binding", "checks", "rules", "approvals", "lapses", "comments")

    def get_binding(self, promotion: Promotion) -> str:
        """Return the digest over artifact, criteria, evidence and waivers."""
        return promotion_binding(promotion, self.context["checks"]).digest

    @extend_schema_field(LapseSerializer(many=True))
    def get_lapses(self, promotion: Promotion) -> Any:
        """Return the lapsed approvals of an open promotion."""
        binding = promotion_binding(promotion, self.context["checks"])
        return LapseSerializer(lapses(promotion, binding), many=True).data

    @extend_schema_field(CheckSerializer(many=True))
    def get_checks(self, promotion: Promotion) -> Any:
        """Return the criteria, failures first."""
        return CheckSerializer(self.context["checks"], many=True).data

    @extend_schema_field(RuleSerializer(many=True))
    def get_rules(self, promotion: Promotion) -> Any:
        """Return the rules, unmet ones first."""
        return RuleSerializer(self.context["rules"], many=True).data


class RollbackSerializer(serializers.ModelSerializer[Rollback]):
    """A return to a former champion, and its review."""

    model = serializers.CharField(source="model.name")
    from_version = serializers.IntegerField(source="from_version.number")
    to_version = serializers.IntegerField(source="to_version.number")
    requested_by = serializers.CharField(source="requested_by.username")
    reviewed_by = serializers.CharField(source="reviewed_by.username", allow_null=True, default=None)

    class Meta:
        model = Rollback
        fields = ("id", "model", "alias", "from_version", "to_version", "reason", "requested_by", "requested_at",
                  "review_due_at", "reviewed_by", "reviewed_at", "review_note")  # fmt: skip
