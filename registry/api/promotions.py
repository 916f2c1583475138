"""Promotions: asking, looking and deciding."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import selectors, services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model, find_promotion, promotions_of
from registry.api.serializers.promotions import (
    PROMOTION_STATES,
    CommentSerializer,
    PromotionDetailSerializer,
    PromotionSerializer,
)
from registry.errors import StaleBindingError
from registry.models import ApiToken
from registry.problems import PreconditionRequiredError
from registry.states import PromotionState

IF_MATCH = OpenApiParameter(
    "If-Match", location=OpenApiParameter.HEADER, description="the promotion's `ETag`; an alternative to `seen`"
)


class PromotionQuery(ListQuery):
    """What the list of promotions is filtered and ordered by."""

    model = serializers.CharField(required=False, help_text="name")
    alias = serializers.CharField(required=False)
    state = serializers.ChoiceField(choices=PROMOTION_STATES, required=False)
    requested_by = serializers.CharField(required=False, help_text="user name")
    ordering = ordering("-id", "-requested_at")


class PromotionBody(Strict):
    """What to promote, and where to."""

    model = serializers.CharField(help_text="name")
    version = serializers.IntegerField(min_value=1)
    alias = serializers.RegexField(r"^[A-Za-z0-9_-]{1,100}$", default="champion")
    description = serializers.CharField(default="", allow_blank=True, help_text="what the deciders should know")
    mends_budget = serializers.CharField(
        default="",
        allow_blank=True,
        help_text="how the version mends what spent an error budget; an approver confirms it",
    )


class ApprovalBody(Strict):
    """An approval: why, and of what."""

    reason = serializers.CharField(allow_blank=True, default="", help_text="what you looked at, and what decided it")
    seen = serializers.CharField(required=False, help_text="`binding` as you were shown it; goes before `If-Match`")


class ReasonBody(Strict):
    """A reason."""

    reason = serializers.CharField(allow_blank=True, default="")


class CommentBody(Strict):
    """A remark."""

    body = serializers.CharField()


class PromotionView(ApiView):
    """A view that answers with one promotion, and with its binding as `ETag`."""

    def answer(self, pk: int, status: int = 200) -> Response:
        """Return the promotion as it stands now."""
        promotion = promotions_of(self.actor).prefetch_related("approvals__approver", "comments__author").get(pk=pk)
        checks = selectors.promotion_checks(promotion)
        is_open = promotion.state == PromotionState.REQUESTED
        rules = selectors.decision_rules(promotion, self.actor, checks) if is_open else []
        shown = PromotionDetailSerializer(promotion, context={"checks": checks, "rules": rules}).data
        return Response(shown, status=status, headers={"ETag": f'"{shown["binding"]}"'})


class Promotions(PromotionView):
    """The promotions of the reader's teams."""

    query_class = PromotionQuery

    @extend_schema(summary="List promotions", responses=PromotionSerializer(many=True), tags=["Promotions"])
    def get(self, request: Request) -> Response:
        """List the promotions of your teams, newest first."""
        rows = promotions_of(self.actor)
        for parameter, column in (
            ("model", "model__name"),
            ("alias", "alias"),
            ("state", "state"),
            ("requested_by", "requested_by__username"),
        ):
            if parameter in self.query:
                rows = rows.filter(**{column: self.query[parameter]})
        return self.page(rows, PromotionSerializer, "-id")

    @extend_schema(
        summary="Request a promotion", request=PromotionBody, responses={201: PromotionDetailSerializer},
        tags=["Promotions"],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Ask that a version take an alias. Asks for the role engineer; others decide."""
        values = self.body(PromotionBody)
        model = find_model(self.actor, values["model"])
        version = get_object_or_404(model.versions, number=values["version"])
        promotion = services.promotion_request(
            actor=self.actor, version=version, alias=values["alias"], description=values["description"]
        )
        return self.answer(promotion.pk, status=201)


class Promotion(PromotionView):
    """One promotion."""

    @extend_schema(summary="Get a promotion", responses=PromotionDetailSerializer, tags=["Promotions"])
    def get(self, request: Request, pk: int) -> Response:
        """Return a promotion with its checks, approvals, comments, and the binding that an approval names."""
        return self.answer(find_promotion(self.actor, pk).pk)


class PromotionApprove(PromotionView):
    """Approving."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(
        summary="Approve a promotion", request=ApprovalBody, responses=PromotionDetailSerializer,
        parameters=[IF_MATCH], tags=["Promotions"],
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Approve what you were shown: `seen` or `If-Match` names its binding.

        Asks for a role that the policy of the risk tier names, and for somebody who had no part in the version. With
        the quorum reached the alias moves at once, or a rollout begins. Neither given: 428. Something changed since you looked: 409, look
        again.
        """
        promotion = find_promotion(self.actor, pk)
        values = self.body(ApprovalBody)
        seen = values.get("seen") or _etag(request)
        try:
            services.promotion_approve(actor=self.actor, promotion_id=promotion.pk, reason=values["reason"], seen=seen)
        except StaleBindingError:
            if seen:
                raise
            raise PreconditionRequiredError(
                "Say what you approve: send the promotion's `binding` as `seen`, or its ETag as If-Match."
            ) from None
        return self.answer(pk)


class PromotionReject(PromotionView):
    """Refusing."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(
        summary="Refuse a promotion", request=ReasonBody, responses=PromotionDetailSerializer, tags=["Promotions"]
    )
    def post(self, request: Request, pk: int) -> Response:
        """Refuse a promotion, with a reason that its author can act on. Asks for the role approver or product."""
        promotion = find_promotion(self.actor, pk)
        services.promotion_reject(actor=self.actor, promotion_id=promotion.pk, reason=self.body(ReasonBody)["reason"])
        return self.answer(pk)


class PromotionWithdraw(PromotionView):
    """Withdrawing."""

    @extend_schema(
        summary="Withdraw a promotion", request=ReasonBody, responses=PromotionDetailSerializer, tags=["Promotions"]
    )
    def post(self, request: Request, pk: int) -> Response:
        """Take back a request of your own that is not yet rolling out."""
        promotion = find_promotion(self.actor, pk)
        services.promotion_withdraw(actor=self.actor, promotion_id=promotion.pk, reason=self.body(ReasonBody)["reason"])
        return self.answer(pk)


class PromotionComments(ApiView):
    """Remarks."""

    @extend_schema(
        summary="Comment on a promotion", request=CommentBody, responses={201: CommentSerializer}, tags=["Promotions"]
    )
    def post(self, request: Request, pk: int) -> Response:
        """Add a remark to the timeline."""
        promotion = find_promotion(self.actor, pk)
        comment = services.promotion_comment(
            actor=self.actor, promotion_id=promotion.pk, body=self.body(CommentBody)["body"]
        )
        return Response(CommentSerializer(comment).data, status=201)


def _etag(request: Request) -> str:
    """Return the digest that If-Match names; empty where it is missing, or matches anything."""
    named: str = request.headers.get("If-Match", "").strip()
    return "" if named == "*" else named.removeprefix("W/").strip('"')
