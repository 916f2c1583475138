"""Retraining policies, and each time that a model was trained anew by itself."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import services
from monitoring.models import Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.retraining.states import State
from monitoring.selectors.retraining import retraining_policy_of
from monitoring.selectors.retraining_lists import DAYS, DryRun, dry_run
from monitoring.tasks import retrain
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model
from registry.errors import ConflictError

TAGS = ["Retraining"]


class ConditionFindingSerializer(serializers.Serializer[Any]):
    """One condition held against what was known."""

    kind = serializers.CharField()
    holds = serializers.BooleanField(allow_null=True, help_text="null where nothing was known")
    text = serializers.CharField(help_text="the value beside its limit")
    link = serializers.CharField(help_text="path of the page that shows more; may be empty")
    facts = serializers.DictField(help_text="the numbers behind it")


class RetrainingWatchSerializer(serializers.ModelSerializer[RetrainingWatch]):
    """What the last look at a policy's conditions found."""

    findings = ConditionFindingSerializer(many=True)

    class Meta:
        model = RetrainingWatch
        fields = ("looked_at", "holds", "findings", "next_turn_at", "fault")


class RetrainingPolicySerializer(serializers.ModelSerializer[RetrainingPolicy]):
    """When a model is trained anew, and what is known of its conditions now."""

    model = serializers.CharField(source="model.name")
    policy = serializers.DictField(source="document")
    made_by = serializers.CharField(source="made_by.username", help_text="in whose name it acts")
    watch = serializers.SerializerMethodField()

    class Meta:
        model = RetrainingPolicy
        fields = ("model", "number", "enabled", "policy", "reason", "made_by", "made_at", "watch")

    @extend_schema_field(RetrainingWatchSerializer(allow_null=True))
    def get_watch(self, policy: RetrainingPolicy) -> Any:
        """Return the last look; null before the first."""
        watch = RetrainingWatch.objects.filter(model=policy.model_id).first()
        return RetrainingWatchSerializer(watch).data if watch and watch.looked_at else None


class RetrainingPolicyBody(Strict):
    """The next number of a policy."""

    policy = serializers.DictField(help_text="conditions, rows, pipeline and pauses, as docs/retraining.md lists them")
    reason = serializers.CharField(max_length=2000, help_text="what changed, and why")
    enabled = serializers.BooleanField(default=True)


class RetrainingSwitchBody(Strict):
    """Whether the policy starts anything."""

    enabled = serializers.BooleanField()
    reason = serializers.CharField(max_length=2000)


class RetrainingReason(Strict):
    """Why."""

    reason = serializers.CharField(max_length=2000)


class RetrainingSerializer(serializers.ModelSerializer[Retraining]):
    """One retraining: why it began, on what, and what came of it."""

    model = serializers.CharField(source="model.name")
    policy = serializers.IntegerField(source="policy.number")
    findings = ConditionFindingSerializer(many=True)
    asked_by = serializers.CharField(source="asked_by.username", default=None, allow_null=True)
    dataset_version = serializers.CharField(source="dataset_version.path", default=None, allow_null=True)
    version = serializers.IntegerField(source="version.number", default=None, allow_null=True)
    comparison = serializers.DictField(help_text="with the champion on the same held-out rows; empty before")

    class Meta:
        model = Retraining
        fields = (
            "id", "path", "model", "policy", "slot", "state", "why", "findings", "asked_by", "outcome", "rule",
            "held_until", "freeze_job", "dataset_version", "job", "version", "evaluation", "comparison", "promotion",
            "due_at", "started_at", "ended_at",
        )  # fmt: skip


class RetrainingQuery(ListQuery):
    """What the list is filtered by."""

    model = serializers.CharField(required=False, help_text="name")
    state = serializers.ChoiceField(required=False, choices=[state.value for state in State])
    ordering = ordering("-id")


class RetrainingStartSerializer(serializers.Serializer[Any]):
    """One retraining that would have begun."""

    at = serializers.DateTimeField()
    why = serializers.CharField()
    held_s = serializers.FloatField(help_text="how long a pause would have held it")


class RetrainingDryRunSerializer(serializers.Serializer[DryRun]):
    """What a policy would have started."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    starts = RetrainingStartSerializer(many=True)
    untold = serializers.ListField(child=serializers.CharField(), help_text="of which no past is kept")


class ModelRetrainingPolicy(ApiView):
    """The retraining policy of a model."""

    @extend_schema(summary="Get a retraining policy", responses={200: RetrainingPolicySerializer, 409: None}, tags=TAGS)
    def get(self, request: Request, name: str) -> Response:
        """Return the policy in force, and what its conditions found at the last look; 409 where the model has none."""
        return Response(RetrainingPolicySerializer(_policy(self, name)).data)

    @extend_schema(
        summary="Change a retraining policy",
        request=RetrainingPolicyBody,
        responses=RetrainingPolicySerializer,
        tags=TAGS,
    )
    def put(self, request: Request, name: str) -> Response:
        """Put the next number in force; what it starts is done in your name. Asks for the role engineer."""
        model = find_model(self.actor, name)
        body = self.body(RetrainingPolicyBody)
        policy = services.retraining_policy_save(
            actor=self.actor, model=model, document=body["policy"], reason=body["reason"],
            enabled=body["enabled"],
        )  # fmt: skip
        return Response(RetrainingPolicySerializer(policy).data)


class RetrainingPolicySwitch(ApiView):
    """Switching a retraining policy on or off."""

    @extend_schema(
        summary="Switch a retraining policy on or off", request=RetrainingSwitchBody, responses=RetrainingPolicySerializer,
        tags=TAGS,
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Have it start retrainings, or none; a new number says so. Off: any role above viewer; on: the role engineer."""
        model = find_model(self.actor, name)
        policy = services.retraining_policy_switch(actor=self.actor, model=model, **self.body(RetrainingSwitchBody))
        return Response(RetrainingPolicySerializer(policy).data)


class RetrainingDryRun(ApiView):
    """What a retraining policy would have started."""

    @extend_schema(
        summary="Rehearse a retraining policy", responses={200: RetrainingDryRunSerializer, 409: None}, tags=TAGS
    )
    def get(self, request: Request, name: str) -> Response:
        """Return when the policy in force would have started retrainings in the last 30 days; writes nothing."""
        return Response(RetrainingDryRunSerializer(dry_run(_policy(self, name), now=timezone.now(), days=DAYS)).data)


class ModelRetrainings(ApiView):
    """Asking for a retraining."""

    @extend_schema(
        summary="Retrain a model now", request=RetrainingReason, responses={201: RetrainingSerializer}, tags=TAGS
    )
    def post(self, request: Request, name: str) -> Response:
        """Ask for a retraining by the policy in force, past its conditions and pauses. Asks for the role engineer."""
        model = find_model(self.actor, name)
        made = services.retraining_ask(actor=self.actor, model=model, now=timezone.now(), **self.body(RetrainingReason))
        retrain.delay_on_commit()
        return Response(RetrainingSerializer(made).data, status=201)


class Retrainings(ApiView):
    """Retrainings of the reader's teams."""

    query_class = RetrainingQuery

    @extend_schema(summary="List retrainings", responses=RetrainingSerializer(many=True), tags=TAGS)
    def get(self, request: Request) -> Response:
        """List the retrainings of your teams, newest first."""
        rows = Retraining.objects.visible_to(self.actor)
        if name := self.query.get("model"):
            rows = rows.filter(model__name=name)
        if state := self.query.get("state"):
            rows = rows.filter(state=state)
        return self.page(rows, RetrainingSerializer)


class OneRetraining(ApiView):
    """One retraining."""

    @extend_schema(summary="Get a retraining", responses=RetrainingSerializer, tags=TAGS)
    def get(self, request: Request, pk: int) -> Response:
        """Return why it began, on what, and what came of it."""
        return Response(RetrainingSerializer(_found(self, pk)).data)


class RetrainingStart(ApiView):
    """Starting a retraining that is held."""

    @extend_schema(summary="Start a retraining", request=RetrainingReason, responses=RetrainingSerializer, tags=TAGS)
    def post(self, request: Request, pk: int) -> Response:
        """Start one that waits for a person or for a pause to pass. Asks for the role engineer."""
        services.retraining_start(
            actor=self.actor, retraining_id=_found(self, pk).pk, now=timezone.now(), **self.body(RetrainingReason)
        )
        return Response(RetrainingSerializer(_found(self, pk)).data)


class RetrainingStop(ApiView):
    """Stopping a retraining."""

    @extend_schema(summary="Stop a retraining", request=RetrainingReason, responses=RetrainingSerializer, tags=TAGS)
    def post(self, request: Request, pk: int) -> Response:
        """Stop one before its promotion is open; its job is cancelled. Asks for a role above viewer."""
        services.retraining_stop(
            actor=self.actor, retraining_id=_found(self, pk).pk, now=timezone.now(), **self.body(RetrainingReason)
        )
        return Response(RetrainingSerializer(_found(self, pk)).data)


def _found(view: ApiView, pk: int) -> Retraining:
    return get_object_or_404(Retraining.objects.visible_to(view.actor), pk=pk)


def _policy(view: ApiView, name: str) -> RetrainingPolicy:
    model = find_model(view.actor, name)
    policy = retraining_policy_of(model)
    if policy is None:
        raise ConflictError(
            f"{model.name} has no retraining policy.",
            unmet=[{"rule": "a retraining policy", "who": f"an engineer of {model.team.name} saves one"}],
        )
    return policy
