"""Rollouts by the API: looking, following, and what people do to them."""

from collections.abc import Callable, Mapping
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.models import TrialDisagreement
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.errors import StaleBindingError
from registry.models import ApiToken
from registry.problems import PreconditionRequiredError
from rollouts import services
from rollouts.api.serializers import (
    STATES,
    DisagreementSerializer,
    RolloutActSerializer,
    RolloutDetailSerializer,
    RolloutSerializer,
    RolloutVerdictSerializer,
    StatusSerializer,
)
from rollouts.links import seen
from rollouts.lookup import rollouts_of
from rollouts.models import Rollout
from rollouts.screen.page import screen
from rollouts.screen.status_text import status_text

IF_MATCH = OpenApiParameter(
    "If-Match",
    location=OpenApiParameter.HEADER,
    description="the rollout's `ETag` as you were shown it; changed since: 409",
)


class RolloutQuery(ListQuery):
    """What the list of rollouts is filtered and ordered by."""

    model = serializers.CharField(required=False, help_text="name")
    team = serializers.CharField(required=False, help_text="slug")
    state = serializers.ChoiceField(choices=STATES, required=False)
    ordering = ordering("-id")


class RowsQuery(ListQuery):
    """The order of a rollout's rows."""

    ordering = ordering("-id")


class VerdictQuery(RowsQuery):
    """What verdicts are filtered by."""

    metric = serializers.CharField(required=False)


class DisagreementQuery(ListQuery):
    """What disagreements are filtered by."""

    guard = serializers.CharField(required=False)
    ordering = ordering("-size")


class ActBody(Strict):
    """Why."""

    reason = serializers.CharField(allow_blank=True, default="", help_text="kept in the log and the audit trail")
    seen = serializers.CharField(
        required=False, help_text="the rollout's `ETag` without quotes; goes before `If-Match`"
    )


class DecisionBody(ActBody):
    """A decision, and why."""

    choice = serializers.ChoiceField(choices=services.CHOICES)


class PlainTextRenderer(BaseRenderer):
    """One screen of text, for a terminal."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return what the view made; problems stay JSON."""
        return data.encode() if isinstance(data, str) else JSONRenderer().render(data)


class RolloutView(ApiView):
    """A view of one rollout; its `ETag` says what a person saw of its state."""

    def found(self, pk: int) -> Rollout:
        """Return one rollout, or 404."""
        return get_object_or_404(rollouts_of(self.actor), pk=pk)

    def answer(self, pk: int) -> Response:
        """Return the rollout as it stands now."""
        found = self.found(pk)
        return Response(RolloutDetailSerializer(found).data, headers={"ETag": f'"{seen(found)}"'})


class Rollouts(ApiView):
    """The rollouts of the reader's teams."""

    query_class = RolloutQuery

    @extend_schema(summary="List rollouts", responses=RolloutSerializer(many=True), tags=["Rollouts"])
    def get(self, request: Request) -> Response:
        """List the rollouts of your teams, newest first."""
        rows = rollouts_of(self.actor)
        for parameter, column in (("model", "model__name"), ("team", "model__team__slug"), ("state", "state")):
            if parameter in self.query:
                rows = rows.filter(**{column: self.query[parameter]})
        return self.page(rows, RolloutSerializer, "-id")


class RolloutOne(RolloutView):
    """One rollout."""

    @extend_schema(summary="Get a rollout", responses=RolloutDetailSerializer, tags=["Rollouts"])
    def get(self, request: Request, pk: int) -> Response:
        """Return a rollout with its plan, its guardrails and what its present step waits for."""
        return self.answer(pk)


class RolloutStatus(RolloutView):
    """Where a rollout stands, for programs and terminals."""

    renderer_classes = (JSONRenderer, PlainTextRenderer)

    @extend_schema(
        summary="Get the status of a rollout", tags=["Rollouts"],
        responses={(200, "application/json"): StatusSerializer, (200, "text/plain"): OpenApiTypes.STR},
    )  # fmt: skip
    def get(self, request: Request, pk: int) -> Response:
        """Return where a rollout stands; with `Accept: text/plain` as one screen of text, for `watch`."""
        found = self.found(pk)
        told = screen(found, now=timezone.now())
        if request.accepted_media_type == "text/plain":
            return Response(status_text(found, told))
        return Response(StatusSerializer(told).data, headers={"ETag": f'"{seen(found)}"'})


class RolloutLog(RolloutView):
    """Moves and acts."""

    query_class = RowsQuery

    @extend_schema(
        summary="List a rollout's moves and acts", responses=RolloutActSerializer(many=True), tags=["Rollouts"]
    )
    def get(self, request: Request, pk: int) -> Response:
        """List what moved a rollout and what people did, newest first."""
        return self.page(self.found(pk).acts.select_related("actor"), RolloutActSerializer)


class RolloutVerdicts(RolloutView):
    """Verdicts."""

    query_class = VerdictQuery

    @extend_schema(
        summary="List a rollout's verdicts", responses=RolloutVerdictSerializer(many=True), tags=["Rollouts"]
    )
    def get(self, request: Request, pk: int) -> Response:
        """List every verdict on a rollout's guardrails, newest first; a row for each change of outcome or phase."""
        rows = self.found(pk).verdicts.all()
        return self.page(
            rows.filter(metric=self.query["metric"]) if "metric" in self.query else rows, RolloutVerdictSerializer
        )


class RolloutDisagreements(RolloutView):
    """Requests on which both versions differ."""

    query_class = DisagreementQuery

    @extend_schema(
        summary="List where both versions disagree", responses=DisagreementSerializer(many=True), tags=["Rollouts"]
    )
    def get(self, request: Request, pk: int) -> Response:
        """List the biggest differences of both versions' answers to the same requests."""
        rows = TrialDisagreement.objects.filter(trial__rollout=self.found(pk))
        return self.page(
            rows.filter(guard=self.query["guard"]) if "guard" in self.query else rows, DisagreementSerializer, "id"
        )


class RolloutAction(RolloutView):
    """A view that does something to a rollout."""

    must_have_seen = False

    def act(
        self, request: Request, pk: int, service: Callable[..., Rollout], form: type[ActBody] = ActBody
    ) -> Response:
        """Do it, if the rollout is still what the caller saw."""
        found = self.found(pk)
        values = self.body(form)
        etag = values.pop("seen", "") or request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
        if not etag and self.must_have_seen:
            raise PreconditionRequiredError("Say what you decide on: send the rollout's ETag as `seen` or If-Match.")
        if etag not in ("", "*", seen(found)):
            raise StaleBindingError("The rollout moved on since you looked; look again.")
        service(actor=self.actor, rollout_id=found.pk, now=timezone.now(), **values)
        return self.answer(pk)


class RolloutPause(RolloutAction):
    """Pausing."""

    @extend_schema(
        summary="Pause a rollout",
        request=ActBody,
        responses=RolloutDetailSerializer,
        parameters=[IF_MATCH],
        tags=["Rollouts"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Hold a rollout where it is: time does not count, and a guardrail that fails still goes back."""
        return self.act(request, pk, services.rollout_pause)


class RolloutResume(RolloutAction):
    """Resuming."""

    @extend_schema(
        summary="Resume a rollout",
        request=ActBody,
        responses=RolloutDetailSerializer,
        parameters=[IF_MATCH],
        tags=["Rollouts"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Let a paused rollout go on."""
        return self.act(request, pk, services.rollout_resume)


class RolloutAdvance(RolloutAction):
    """Advancing."""

    @extend_schema(
        summary="Advance a rollout",
        request=ActBody,
        responses=RolloutDetailSerializer,
        parameters=[IF_MATCH],
        tags=["Rollouts"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Begin the next step now, whatever the present one waits for; the last one asks for an approver."""
        return self.act(request, pk, services.rollout_advance)


class RolloutDecide(RolloutAction):
    """Deciding."""

    token_scope = ApiToken.Scope.DECIDE
    must_have_seen = True

    @extend_schema(
        summary="Decide on a rollout", request=DecisionBody, responses=RolloutDetailSerializer, parameters=[IF_MATCH],
        tags=["Rollouts"],
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Answer a rollout that waits for a person: continue, promote or roll back.

        Say what you saw: `seen` or `If-Match` names the rollout's `ETag`. Neither given: 428. It moved on since: 409.
        """
        return self.act(request, pk, services.rollout_decide, DecisionBody)


class RolloutAbort(RolloutAction):
    """Aborting."""

    @extend_schema(
        summary="Abort a rollout",
        request=ActBody,
        responses=RolloutDetailSerializer,
        parameters=[IF_MATCH],
        tags=["Rollouts"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Give all traffic back to the champion and end the rollout."""
        return self.act(request, pk, services.rollout_abort)
