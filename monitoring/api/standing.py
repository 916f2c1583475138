"""Standing approvals: what a retraining policy makes, approved beforehand."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.retraining import TAGS, RetrainingReason
from monitoring.services import retraining_approve_beforehand
from registry.api.base import ApiView, Strict
from registry.api.lookup import find_model
from registry.models import STANDING_DAYS, StandingApproval
from registry.selectors import Standing, standing_end, standings_of
from registry.services import standing_approval_end


class StandingApprovalSerializer(serializers.Serializer[Any]):
    """A standing approval: for which policy and criteria, by whom, until when, and what ended it."""

    id = serializers.IntegerField(source="of.pk")
    model = serializers.CharField(source="of.model.name")
    policy = serializers.IntegerField(source="of.policy", help_text="number of the retraining policy")
    criteria_set = serializers.IntegerField(source="of.criteria_set.number")
    approver = serializers.CharField(source="of.approver.username")
    reason = serializers.CharField(source="of.reason")
    given_at = serializers.DateTimeField(source="of.given_at")
    expires_at = serializers.DateTimeField(source="of.expires_at")
    holds = serializers.SerializerMethodField()
    ended_at = serializers.DateTimeField(source="end.at", default=None, allow_null=True)
    ended_by = serializers.CharField(source="end.by", default="", help_text="empty: no person ended it, or it holds")
    ended_why = serializers.CharField(source="end.why", default="")

    def get_holds(self, standing: Standing) -> bool:
        """Return whether approvals may rest on it now."""
        return standing.end is None


class StandingApprovalBody(Strict):
    """What is approved beforehand, and for how long."""

    policy = serializers.IntegerField(min_value=1, help_text="number of the policy in force, as you read it")
    days = serializers.IntegerField(min_value=1, max_value=STANDING_DAYS)
    reason = serializers.CharField(max_length=2000)


class ModelStandingApprovals(ApiView):
    """Standing approvals of a model."""

    pagination_class = None

    @extend_schema(
        summary="List standing approvals", responses=StandingApprovalSerializer(many=True), tags=TAGS,
        operation_id="models_standing_approvals_list",
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """Return the latest 20, newest first."""
        return Response(StandingApprovalSerializer(standings_of(find_model(self.actor, name)), many=True).data)

    @extend_schema(
        summary="Give a standing approval", request=StandingApprovalBody, responses={201: StandingApprovalSerializer},
        tags=TAGS,
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Approve beforehand what the retraining policy in force makes; tier 3 alone. Asks for the role approver, without a part in it."""
        given = retraining_approve_beforehand(
            actor=self.actor, model=find_model(self.actor, name), **self.body(StandingApprovalBody)
        )
        return Response(_shown(given), status=201)


class StandingApprovalEnd(ApiView):
    """Ending a standing approval."""

    @extend_schema(
        summary="End a standing approval", request=RetrainingReason, responses=StandingApprovalSerializer, tags=TAGS
    )
    def post(self, request: Request, pk: int) -> Response:
        """End it at once; what it approved and is no champion yet lapses. Asks for a role above viewer."""
        rows = StandingApproval.objects.filter(model__team__in=self.actor.teams())
        found = get_object_or_404(rows, pk=pk)
        return Response(_shown(
            standing_approval_end(actor=self.actor, standing_id=found.pk, **self.body(RetrainingReason))
        ))  # fmt: skip


def _shown(standing: StandingApproval) -> Any:
    return StandingApprovalSerializer(Standing(standing, standing_end(standing))).data
