"""Waivers: asking, and deciding by a second person."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_promotion, waivers_of
from registry.api.serializers.waivers import WaiverSerializer
from registry.models import ApiToken
from registry.states import WaiverState


class WaiverQuery(ListQuery):
    """What waivers are filtered by."""

    state = serializers.ChoiceField(choices=[state.value for state in WaiverState], required=False)
    ordering = ordering("-id")


class SupportBody(Strict):
    """What supports a claim; one of the three at least."""

    evidence = serializers.IntegerField(required=False, min_value=1, help_text="number of a piece of evidence")
    link = serializers.CharField(required=False, allow_blank=True, default="", help_text="to a document")
    document = serializers.CharField(required=False, allow_blank=True, default="", help_text="its text")


class WaiverBody(SupportBody):
    """What is to be waived, why, and until when."""

    criterion = serializers.IntegerField(
        allow_null=True, min_value=1, help_text="its number in the criteria; null for the gate of the error budget"
    )
    reason = serializers.CharField(allow_blank=True, default="", help_text="why it may pass, and what limits the harm")
    expires_at = serializers.DateTimeField()
    mends = serializers.BooleanField(default=False, help_text="of the error budget: this version mends what spent it")


class NoteBody(Strict):
    """A note of who decides."""

    note = serializers.CharField(allow_blank=True, default="")


class RevokeBody(Strict):
    """Why it holds no longer."""

    reason = serializers.CharField(allow_blank=True, default="")


class PromotionWaivers(ApiView):
    """The waivers of a promotion."""

    query_class = WaiverQuery

    @extend_schema(summary="List waivers", responses=WaiverSerializer(many=True), tags=["Waivers"])
    def get(self, request: Request, pk: int) -> Response:
        """List the waivers of a promotion, newest first."""
        rows = waivers_of(self.actor).filter(promotion=find_promotion(self.actor, pk))
        if state := self.query.get("state"):
            rows = rows.filter(state=state)
        return self.page(rows, WaiverSerializer)

    @extend_schema(
        summary="Ask for a waiver", request=WaiverBody, responses={201: WaiverSerializer}, tags=["Waivers"]
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Ask that a promotion may pass a blocking rule that it does not meet. Asks for engineer or product.

        Without reason, support and an expiry within the policy: 400.
        """
        promotion = find_promotion(self.actor, pk)
        waiver = services.waiver_ask(actor=self.actor, promotion_id=promotion.pk, **self.body(WaiverBody))
        return Response(WaiverSerializer(waivers_of(self.actor).get(pk=waiver.pk)).data, status=201)


class WaiverView(ApiView):
    """A view that answers with one waiver."""

    def found(self, pk: int) -> int:
        """Return the number of a waiver of the actor's teams, or 404."""
        return get_object_or_404(waivers_of(self.actor), pk=pk).pk

    def answer(self, waiver: Any) -> Response:
        """Return the waiver as it stands now."""
        return Response(WaiverSerializer(waivers_of(self.actor).get(pk=waiver.pk)).data)


class WaiverGrant(WaiverView):
    """Granting."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(summary="Grant a waiver", request=NoteBody, responses=WaiverSerializer, tags=["Waivers"])
    def post(self, request: Request, pk: int) -> Response:
        """Grant what somebody else asked for. Asks for an approver who had no part in the version."""
        note = self.body(NoteBody)["note"]
        return self.answer(services.waiver_grant(actor=self.actor, waiver_id=self.found(pk), note=note))


class WaiverDecline(WaiverView):
    """Declining."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(summary="Decline a waiver", request=NoteBody, responses=WaiverSerializer, tags=["Waivers"])
    def post(self, request: Request, pk: int) -> Response:
        """Refuse a waiver, with a note that its asker can act on. Asks for the role approver."""
        note = self.body(NoteBody)["note"]
        return self.answer(services.waiver_decline(actor=self.actor, waiver_id=self.found(pk), note=note))


class WaiverWithdraw(WaiverView):
    """Withdrawing."""

    @extend_schema(summary="Withdraw a waiver", request=None, responses=WaiverSerializer, tags=["Waivers"])
    def post(self, request: Request, pk: int) -> Response:
        """Take back what you asked for, before it is decided."""
        return self.answer(services.waiver_withdraw(actor=self.actor, waiver_id=self.found(pk)))


class WaiverRevoke(WaiverView):
    """Revoking."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(summary="Revoke a waiver", request=RevokeBody, responses=WaiverSerializer, tags=["Waivers"])
    def post(self, request: Request, pk: int) -> Response:
        """End a granted waiver at once; approvals that rest on it lapse. Asks for the role approver."""
        reason = self.body(RevokeBody)["reason"]
        return self.answer(services.waiver_revoke(actor=self.actor, waiver_id=self.found(pk), reason=reason))
