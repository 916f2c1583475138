"""Acceptance criteria: drafted by product, agreed by a second person."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import criteria_of, find_model
from registry.api.serializers.criteria import CriteriaSetSerializer
from registry.models import AcceptanceCriterion, ApiToken, CriteriaSet


class CriteriaQuery(ListQuery):
    """What the criteria sets of a model are filtered by."""

    state = serializers.ChoiceField(choices=CriteriaSet.State.choices, required=False)
    ordering = ordering("-number")


class CriterionBody(Strict):
    """One criterion of a draft."""

    metric = serializers.CharField(max_length=100)
    direction = serializers.ChoiceField(choices=AcceptanceCriterion.Direction.choices)
    threshold = serializers.FloatField(help_text="in the metric's unit; a margin where it is against the champion")
    reason = serializers.CharField(help_text="why it matters, in plain words")
    against_champion = serializers.BooleanField(default=False)
    basis = serializers.ChoiceField(
        choices=AcceptanceCriterion.Basis.choices, default=AcceptanceCriterion.Basis.VALUE
    )  # fmt: skip
    data_set = serializers.CharField(max_length=200, default="", allow_blank=True, help_text="empty means any")
    data_slice = serializers.CharField(max_length=200, default="", allow_blank=True, help_text="such as `origin=JFK`")
    phase = serializers.ChoiceField(
        choices=AcceptanceCriterion.Phase.choices, default=AcceptanceCriterion.Phase.BEFORE_APPROVAL
    )  # fmt: skip
    blocking = serializers.BooleanField(default=True)


class CriteriaBody(Strict):
    """A draft."""

    criteria = CriterionBody(many=True, allow_empty=False)
    note = serializers.CharField(default="", allow_blank=True)
    cases = serializers.CharField(
        max_length=60,
        default="",
        allow_blank=True,
        help_text="what the model looks at, such as `flights`; for plain words",
    )
    events = serializers.CharField(
        max_length=60, default="", allow_blank=True, help_text="those it is to find, such as `late flights`"
    )


class ModelCriteria(ApiView):
    """The criteria sets of a model."""

    query_class = CriteriaQuery

    @extend_schema(summary="List criteria sets", responses=CriteriaSetSerializer(many=True), tags=["Criteria"])
    def get(self, request: Request, name: str) -> Response:
        """List the criteria sets of a model, newest first."""
        rows = criteria_of(self.actor).filter(model=find_model(self.actor, name))
        if state := self.query.get("state"):
            rows = rows.filter(state=state)
        return self.page(rows, CriteriaSetSerializer)

    @extend_schema(
        summary="Draft criteria", request=CriteriaBody, responses={201: CriteriaSetSerializer}, tags=["Criteria"]
    )
    def post(self, request: Request, name: str) -> Response:
        """Draft the next criteria set. Asks for the role product; a second person then agrees."""
        model = find_model(self.actor, name)
        drafted = services.criteria_draft(actor=self.actor, model=model, **self.body(CriteriaBody))
        return Response(CriteriaSetSerializer(criteria_of(self.actor).get(pk=drafted.pk)).data, status=201)


class AgreeBody(Strict):
    """Why."""

    reason = serializers.CharField(default="", allow_blank=True)


class DeclineBody(Strict):
    """Why not."""

    reason = serializers.CharField(help_text="what its author should change")


class CriteriaAgree(ApiView):
    """Agreeing on a draft."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(summary="Agree on criteria", request=AgreeBody, responses=CriteriaSetSerializer, tags=["Criteria"])
    def post(self, request: Request, pk: int) -> Response:
        """Agree on a draft of somebody else; it replaces the set agreed before. Asks for product or approver."""
        drafted = get_object_or_404(criteria_of(self.actor), pk=pk)
        services.criteria_agree(actor=self.actor, criteria_set_id=drafted.pk, **self.body(AgreeBody))
        return Response(CriteriaSetSerializer(criteria_of(self.actor).get(pk=pk)).data)


class CriteriaDecline(ApiView):
    """Declining a draft."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(
        summary="Decline criteria", request=DeclineBody, responses=CriteriaSetSerializer, tags=["Criteria"]
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Decline a draft of somebody else, with a reason; the set in force stays. Asks for product or approver."""
        drafted = get_object_or_404(criteria_of(self.actor), pk=pk)
        services.criteria_decline(actor=self.actor, criteria_set_id=drafted.pk, **self.body(DeclineBody))
        return Response(CriteriaSetSerializer(criteria_of(self.actor).get(pk=pk)).data)
