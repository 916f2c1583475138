"""What the API shows of each object."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.criteria import CheckStatus
from registry.models import (
    AcceptanceCriterion,
    Alias,
    ApiToken,
    Approval,
    AuditEvent,
    Comment,
    CriteriaSet,
    Evidence,
    ModelVersion,
    Promotion,
    ReferenceProfile,
    RegisteredModel,
    Rollback,
    VersionReading,
    Waiver,
)
from registry.selectors import Check, lapses, promotion_binding
from registry.states import PromotionState

Person = serializers.CharField
PROMOTION_STATES = [state.value for state in PromotionState]


class ModelSerializer(serializers.ModelSerializer[RegisteredModel]):
    """A registered model and where its aliases point."""

    team = serializers.CharField(source="team.slug")
    created_by = Person(source="created_by.username")
    aliases = serializers.SerializerMethodField(help_text="each alias with the version number it points at")

    class Meta:
        model = RegisteredModel
        fields = ("name", "team", "task", "risk_tier", "purpose", "description", "revalidate_by", "revalidate_why",
                  "revalidation_triggers", "retired_at", "aliases", "created_by", "created_at", "updated_at", "path")  # fmt: skip

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_aliases(self, model: RegisteredModel) -> dict[str, int]:
        """Return the aliases; the view prefetches them."""
        return {alias.name: alias.version.number for alias in model.aliases.all()}


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A model version without its list of files."""

    model = serializers.CharField(source="model.name")
    created_by = Person(source="created_by.username")
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


class ReadingSerializer(serializers.ModelSerializer[VersionReading]):
    """How a version's files were read, and what the artifact says of itself."""

    class Meta:
        model = VersionReading
        fields = ("job", "asked_at", "read_at", "flavors", "dependencies", "example", "licence")


class ReferenceSerializer(serializers.ModelSerializer[ReferenceProfile]):
    """What a version's inputs looked like where it was made."""

    class Meta:
        model = ReferenceProfile
        fields = ("source", "rows", "data_digest", "columns", "job", "recorded_at")


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
                  "data_set", "data_digest", "data_slice", "detail", "job", "measured_at")  # fmt: skip


class AliasSerializer(serializers.ModelSerializer[Alias]):
    """Where an alias points, and what moved it there."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="version.number")
    set_by = Person(source="set_by.username")
    guarded = serializers.SerializerMethodField(help_text="it moves by an approved promotion or a rollback alone")

    class Meta:
        model = Alias
        fields = ("model", "name", "version", "guarded", "promotion", "rollback", "set_by", "set_at")

    def get_guarded(self, alias: Alias) -> bool:
        """Return whether the team guards it."""
        return alias.model.team.guards(alias.name)


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
    drafted_by = Person(source="drafted_by.username")
    agreed_by = Person(source="agreed_by.username", allow_null=True, default=None)
    declined_by = Person(source="declined_by.username", allow_null=True, default=None)
    criteria = CriterionSerializer(many=True)

    class Meta:
        model = CriteriaSet
        fields = ("id", "model", "number", "state", "digest", "note", "cases", "events", "drafted_by", "drafted_at", "agreed_by",
                  "agreed_at", "declined_by", "declined_at", "answer", "criteria")  # fmt: skip


class PromotionSerializer(serializers.ModelSerializer[Promotion]):
    """What a promotion asks for, and where it stands."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="version.number")
    replaces = serializers.IntegerField(source="replaces.number", allow_null=True, default=None)
    criteria_set = serializers.IntegerField(source="criteria_set.number")
    state = serializers.ChoiceField(choices=PROMOTION_STATES)
    requested_by = Person(source="requested_by.username")

    class Meta:
        model = Promotion
        fields: tuple[str, ...] = ("id", "model", "version", "alias", "replaces", "criteria_set", "state", "description",
                  "policy", "requested_by", "requested_at", "decided_at", "completed_at", "path")  # fmt: skip


class WaiverSerializer(serializers.ModelSerializer[Waiver]):
    """A rule that one promotion may pass without meeting it: why, until when, by whom."""

    criterion = serializers.IntegerField(
        source="criterion.position", allow_null=True, default=None, help_text="null: the gate of the error budget"
    )
    asked_by = Person(source="asked_by.username")
    decided_by = Person(source="decided_by.username", allow_null=True, default=None)
    revoked_by = Person(source="revoked_by.username", allow_null=True, default=None)

    class Meta:
        model = Waiver
        fields = ("id", "promotion", "rule", "criterion", "state", "reason", "evidence", "link", "document", "expires_at",
                  "asked_by", "asked_at", "decided_by", "decided_at", "note", "revoked_by", "revoked_at",
                  "revoke_reason")  # fmt: skip


class CheckSerializer(serializers.Serializer[Check]):
    """A criterion held against the latest evidence."""

    title = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in CheckStatus])
    why = serializers.CharField(help_text="what is wrong with the evidence, where it is stale")
    blocks = serializers.BooleanField(help_text="an approval is refused because of it")
    margin = serializers.FloatField(
        allow_null=True, help_text="distance to the threshold; negative is on the wrong side"
    )
    who = serializers.CharField(help_text="who can clear it, and how")
    criterion = CriterionSerializer()
    evidence = EvidenceSerializer(allow_null=True)
    champion = serializers.IntegerField(source="champion.number", allow_null=True, default=None)
    waiver = WaiverSerializer(allow_null=True)


class RuleSerializer(serializers.Serializer[Any]):
    """A rule that an approval by the reader rests on."""

    met = serializers.BooleanField()
    text = serializers.CharField()
    who = serializers.CharField(help_text="who can clear it; empty where it is met")


class ApprovalSerializer(serializers.ModelSerializer[Approval]):
    """One person's decision, bound to what that person was shown."""

    approver = Person(source="approver.username")

    class Meta:
        model = Approval
        fields = ("approver", "role", "decision", "reason", "binding", "binding_digest", "decided_at")


class CommentSerializer(serializers.ModelSerializer[Comment]):
    """A remark on a promotion."""

    author = Person(source="author.username")

    class Meta:
        model = Comment
        fields = ("id", "author", "body", "at")


class LapseSerializer(serializers.Serializer[Any]):
    """An approval that counts no longer, and what changed under it."""

    approver = Person(source="approval.approver.username")
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
    requested_by = Person(source="requested_by.username")
    reviewed_by = Person(source="reviewed_by.username", allow_null=True, default=None)

    class Meta:
        model = Rollback
        fields = ("id", "model", "alias", "from_version", "to_version", "reason", "requested_by", "requested_at",
                  "review_due_at", "reviewed_by", "reviewed_at", "review_note")  # fmt: skip


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


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token without its secret, which is not kept."""

    user = Person(source="user.username")
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
