"""Re-validation and retirement."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model, retirements_of, revalidations_of
from registry.api.promotions import ReasonBody
from registry.api.serializers.models import ModelSerializer
from registry.api.waivers import NoteBody, SupportBody
from registry.errors import InvalidError
from registry.models import ApiToken, Retirement, Revalidation
from registry.states import RetirementState


class RevalidationSerializer(serializers.ModelSerializer[Revalidation]):
    """A model was looked at again, and holds until the next date."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="version.number", allow_null=True, default=None)
    done_by = serializers.CharField(source="done_by.username")

    class Meta:
        model = Revalidation
        fields = ("id", "model", "version", "note", "evidence", "link", "document", "was_due", "next_due", "done_by",
                  "done_at")  # fmt: skip


class RetirementSerializer(serializers.ModelSerializer[Retirement]):
    """A version, or a whole model, that shall never serve again."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="version.number", allow_null=True, default=None,
                                       help_text="null: the whole model")  # fmt: skip
    requested_by = serializers.CharField(source="requested_by.username")
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)

    class Meta:
        model = Retirement
        fields = ("id", "model", "version", "state", "reason", "requested_by", "requested_at", "decided_by",
                  "decided_at", "note")  # fmt: skip


class Order(ListQuery):
    """The order of re-validations."""

    ordering = ordering("-id")


class RevalidationBody(SupportBody):
    """The verdict, and what supports it."""

    note = serializers.CharField(allow_blank=True, default="", help_text="what was looked at, and the verdict")


class ModelRevalidations(ApiView):
    """The re-validations of a model."""

    query_class = Order
    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(summary="List re-validations", responses=RevalidationSerializer(many=True), tags=["Lifecycle"])
    def get(self, request: Request, name: str) -> Response:
        """List when a model was looked at again, newest first."""
        return self.page(revalidations_of(find_model(self.actor, name)), RevalidationSerializer)

    @extend_schema(
        summary="Re-validate a model", request=RevalidationBody, responses={201: RevalidationSerializer},
        tags=["Lifecycle"],
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Say, with evidence, that a model still holds. Asks for an approver who had no part in its champion."""
        model = find_model(self.actor, name)
        done = services.revalidation_record(actor=self.actor, model=model, **self.body(RevalidationBody))
        return Response(RevalidationSerializer(done).data, status=201)


class RevalidationDue(ApiView):
    """Bringing a re-validation forward."""

    @extend_schema(
        summary="Bring a re-validation forward", request=ReasonBody, responses=ModelSerializer, tags=["Lifecycle"]
    )
    def post(self, request: Request, name: str) -> Response:
        """Make the re-validation due within two weeks, because something material changed. Asks for no viewer."""
        model = find_model(self.actor, name)
        services.revalidation_bring_forward(actor=self.actor, model=model, why=self.body(ReasonBody)["reason"])
        return Response(ModelSerializer(find_model(self.actor, name)).data)


class RetirementQuery(ListQuery):
    """What retirements are filtered by."""

    model = serializers.CharField(required=False, help_text="name")
    state = serializers.ChoiceField(choices=[state.value for state in RetirementState], required=False)
    ordering = ordering("-id")


class RetirementBody(Strict):
    """What to retire, and why."""

    version = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1,
                                       help_text="left out: the whole model")  # fmt: skip
    reason = serializers.CharField(allow_blank=True, default="")


class ModelRetire(ApiView):
    """Asking for a retirement."""

    @extend_schema(
        summary="Ask for a retirement", request=RetirementBody, responses={201: RetirementSerializer},
        tags=["Lifecycle"],
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Ask that a version, or the whole model, never serve again. Asks for engineer or admin."""
        model = find_model(self.actor, name)
        values = self.body(RetirementBody)
        number, version = values["version"], None
        if number and (version := model.versions.filter(number=number).first()) is None:
            raise InvalidError(f"{model.name} has no version {number}.", field="version")
        asked = services.retirement_request(actor=self.actor, model=model, version=version, reason=values["reason"])
        return Response(RetirementSerializer(asked).data, status=201)


class Retirements(ApiView):
    """The retirements of the reader's teams."""

    query_class = RetirementQuery

    @extend_schema(summary="List retirements", responses=RetirementSerializer(many=True), tags=["Lifecycle"])
    def get(self, request: Request) -> Response:
        """List the retirements of your teams, newest first."""
        rows = retirements_of(self.actor)
        if name := self.query.get("model"):
            rows = rows.filter(model__name=name)
        if state := self.query.get("state"):
            rows = rows.filter(state=state)
        return self.page(rows, RetirementSerializer)


class RetirementView(ApiView):
    """A view that answers with one retirement."""

    def found(self, pk: int) -> int:
        """Return the number of a retirement of the actor's teams, or 404."""
        return get_object_or_404(retirements_of(self.actor), pk=pk).pk

    def answer(self, retirement: Any) -> Response:
        """Return the retirement as it stands now."""
        return Response(RetirementSerializer(retirements_of(self.actor).get(pk=retirement.pk)).data)


class RetirementApprove(RetirementView):
    """Approving."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(
        summary="Approve a retirement", request=NoteBody, responses=RetirementSerializer, tags=["Lifecycle"]
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Retire what somebody else asked for; refused with 409 while it serves or requests still arrive."""
        note = self.body(NoteBody)["note"]
        return self.answer(services.retirement_approve(actor=self.actor, retirement_id=self.found(pk), note=note))


class RetirementReject(RetirementView):
    """Refusing."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(
        summary="Refuse a retirement", request=NoteBody, responses=RetirementSerializer, tags=["Lifecycle"]
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Refuse a retirement, with a note that its asker can act on. Asks for the role approver."""
        note = self.body(NoteBody)["note"]
        return self.answer(services.retirement_reject(actor=self.actor, retirement_id=self.found(pk), note=note))


class RetirementWithdraw(RetirementView):
    """Withdrawing."""

    @extend_schema(
        summary="Withdraw a retirement", request=None, responses=RetirementSerializer, tags=["Lifecycle"]
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Take back what you asked for, before it is decided."""
        return self.answer(services.retirement_withdraw(actor=self.actor, retirement_id=self.found(pk)))
