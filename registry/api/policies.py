"""Policies: what holds for each tier of a team, how it came to be, and changing it."""

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import selectors, services
from registry.api.base import ListQuery, Query, Strict, ordering
from registry.api.models import TIERS, TeamView
from registry.errors import InvalidError
from registry.models import PromotionPolicy, Team
from registry.policies import NAMES


class PolicyRules(Strict):
    """The rules of a tier; in a change, what is left out stays."""

    required = serializers.DictField(  # type: ignore[assignment]  # a field, taken off the class by its metaclass
        child=serializers.IntegerField(min_value=0), required=False, help_text="approvals by role: approver, product"
    )
    rollback_review_hours = serializers.IntegerField(required=False)
    min_budget = serializers.FloatField(required=False, allow_null=True, help_text="null: no gate")
    max_evidence_days = serializers.IntegerField(required=False, allow_null=True, help_text="null: any age")
    fresh_login_minutes = serializers.IntegerField(required=False, allow_null=True, help_text="null: of any age")
    max_waiver_days = serializers.IntegerField(required=False)
    revalidation_days = serializers.IntegerField(required=False)
    block_overdue = serializers.BooleanField(required=False)
    rollout_required = serializers.BooleanField(required=False)


class TierPolicySerializer(serializers.Serializer[Any]):
    """What holds for one tier of one team."""

    team = serializers.CharField()
    risk_tier = serializers.IntegerField()
    installation = serializers.IntegerField(help_text="number of the installation's policy in force")
    number = serializers.IntegerField(allow_null=True, help_text="number of the team's own; null where it has none")
    rules = PolicyRules(help_text="of both, the stricter one each")


class TierPoliciesSerializer(serializers.Serializer[Any]):
    """The three tiers."""

    results = TierPolicySerializer(many=True)


class PolicyVersionSerializer(serializers.ModelSerializer[PromotionPolicy]):
    """One numbered version, as it was set."""

    team = serializers.CharField(source="team.slug", allow_null=True, default=None)
    changed_by = serializers.CharField(source="changed_by.username", allow_null=True, default=None)
    rules = serializers.SerializerMethodField()

    class Meta:
        model = PromotionPolicy
        fields = ("team", "risk_tier", "number", "rules", "reason", "changed_by", "changed_at")

    @extend_schema_field(PolicyRules)
    def get_rules(self, policy: PromotionPolicy) -> dict[str, Any]:
        """Return its rules."""
        return policy.rules.as_json()


class PolicyQuery(Query):
    """Whose policies."""

    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")


class VersionQuery(ListQuery):
    """Whose policies, of which tier."""

    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    risk_tier = serializers.ChoiceField(choices=TIERS, required=False)
    ordering = ordering("-id")


class PolicyBody(Strict):
    """A change of policy."""

    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    risk_tier = serializers.ChoiceField(choices=TIERS)
    changes = PolicyRules()
    reason = serializers.CharField(allow_blank=True, default="")


class Policies(TeamView):
    """What holds."""

    query_class = PolicyQuery

    @extend_schema(summary="Get the policies", responses=TierPoliciesSerializer, tags=["Policies"])
    def get(self, request: Request) -> Response:
        """Return what holds for each tier of a team: of the installation's rules and the team's, the stricter one."""
        team = self.team(self.query.get("team"))
        return Response({"results": [_tier(team, tier) for tier in TIERS]})

    @extend_schema(
        summary="Change a policy", request=PolicyBody, responses={201: TierPolicySerializer}, tags=["Policies"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Put the next number of a team's policy for one tier in force. Asks for the role admin.

        A team may be stricter than the installation, never weaker: 400 names the rule.
        """
        values = self.body(PolicyBody)
        team = self.team(values.get("team"))
        try:
            services.policy_change(
                actor=self.actor, team=team, risk_tier=values["risk_tier"], changes=values["changes"],
                reason=values["reason"],
            )  # fmt: skip
        except InvalidError as refused:
            if refused.field in NAMES:
                refused.field = f"changes/{refused.field}"
            raise
        return Response(_tier(team, values["risk_tier"]), status=201)


class PolicyVersions(TeamView):
    """How the policies came to be."""

    query_class = VersionQuery

    @extend_schema(summary="List policy versions", responses=PolicyVersionSerializer(many=True), tags=["Policies"])
    def get(self, request: Request) -> Response:
        """List every version of a team's policies and of the installation's, newest first."""
        team = self.team(self.query.get("team"))
        rows = PromotionPolicy.objects.filter(Q(team=team) | Q(team__isnull=True)).select_related("team", "changed_by")
        if tier := self.query.get("risk_tier"):
            rows = rows.filter(risk_tier=tier)
        return self.page(rows, PolicyVersionSerializer)


def _tier(team: Team, tier: int) -> dict[str, Any]:
    floor, own = selectors.policies_in_force(team, tier)
    return {
        "team": team.slug, "risk_tier": tier, "installation": floor.number, "number": own.number if own else None,
        "rules": selectors.policy_of(team, tier).as_json(),
    }  # fmt: skip
