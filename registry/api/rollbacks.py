"""Rollbacks: at once by one person, reviewed by another."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model, rollbacks_of
from registry.api.serializers.promotions import RollbackSerializer
from registry.errors import InvalidError


class RollbackQuery(ListQuery):
    """What the list of rollbacks is filtered by."""

    model = serializers.CharField(required=False, help_text="name")
    reviewed = serializers.BooleanField(required=False, allow_null=True, default=None)
    ordering = ordering("-id")


class RollbackBody(Strict):
    """Where to go back to, and why."""

    to_version = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(allow_blank=True, default="", help_text="what you saw")
    alias = serializers.CharField(max_length=100, default="champion")


class ReviewBody(Strict):
    """The second person's note."""

    note = serializers.CharField(allow_blank=True, default="", help_text="was it right, and what follows")


class ModelRollback(ApiView):
    """Rolling a model back."""

    @extend_schema(
        summary="Roll back", request=RollbackBody, responses={201: RollbackSerializer}, tags=["Rollbacks"]
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Return an alias to a version that held it before. Asks for engineer or approver; reviewed afterwards."""
        model = find_model(self.actor, name)
        values = self.body(RollbackBody)
        version = model.versions.filter(number=values["to_version"]).first()
        if version is None:
            raise InvalidError(f"{model.name} has no version {values['to_version']}.", field="to_version")
        done = services.rollback(
            actor=self.actor, model=model, to_version=version, reason=values["reason"], alias=values["alias"]
        )
        return Response(RollbackSerializer(done).data, status=201)


class Rollbacks(ApiView):
    """The rollbacks of the reader's teams."""

    query_class = RollbackQuery

    @extend_schema(summary="List rollbacks", responses=RollbackSerializer(many=True), tags=["Rollbacks"])
    def get(self, request: Request) -> Response:
        """List the rollbacks of your teams, newest first."""
        rows = rollbacks_of(self.actor)
        if name := self.query.get("model"):
            rows = rows.filter(model__name=name)
        if self.query["reviewed"] is not None:
            rows = rows.filter(reviewed_by__isnull=not self.query["reviewed"])
        return self.page(rows, RollbackSerializer)


class RollbackReview(ApiView):
    """Reviewing a rollback."""

    @extend_schema(summary="Review a rollback", request=ReviewBody, responses=RollbackSerializer, tags=["Rollbacks"])
    def post(self, request: Request, pk: int) -> Response:
        """Confirm that you looked at somebody else's rollback. Asks for the role approver."""
        done = get_object_or_404(rollbacks_of(self.actor), pk=pk)
        services.rollback_review(actor=self.actor, rollback_id=done.pk, note=self.body(ReviewBody)["note"])
        return Response(RollbackSerializer(rollbacks_of(self.actor).get(pk=pk)).data)
