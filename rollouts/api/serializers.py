"""What the API shows of rollouts."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from monitoring.models import TrialDisagreement
from rollouts.models import Rollout, RolloutAct, RolloutVerdict
from rollouts.screen.figures import Figure
from rollouts.screen.guard_rows import Row
from rollouts.screen.page import Screen, screen
from rollouts.states import Ask, State

STATES = [state.value for state in State]


class RolloutSerializer(serializers.ModelSerializer[Rollout]):
    """One version on its way to champion."""

    model = serializers.CharField(source="model.name")
    team = serializers.CharField(source="model.team.slug")
    promotion = serializers.IntegerField(source="promotion_id")
    champion = serializers.IntegerField(source="champion.number")
    candidate = serializers.IntegerField(source="candidate.number")
    state = serializers.ChoiceField(choices=STATES)
    asks = serializers.ChoiceField(choices=["", *(ask.value for ask in Ask)], help_text="which decision is awaited")
    paused = serializers.SerializerMethodField()
    path = serializers.CharField(help_text="of its page")

    class Meta:
        model = Rollout
        fields = ("id", "path", "model", "team", "promotion", "champion", "candidate", "state", "step", "weight_bp", "shadow_bp",
                  "asks", "waiting_for", "paused", "started_at", "phase_started_at", "deadline_at", "ended_at", "outcome")  # fmt: skip

    def get_paused(self, rollout: Rollout) -> bool:
        """Return whether it is paused."""
        return rollout.paused_at is not None


class FigureSerializer(serializers.Serializer[Figure]):
    """One of the figures that the present step waits for."""

    label = serializers.CharField()  # type: ignore[assignment]  # a field of ours, not the base class's
    value = serializers.CharField()
    of = serializers.CharField()
    share = serializers.FloatField(allow_null=True, help_text="reached of what is asked")
    note = serializers.CharField()


class GuardrailStatusSerializer(serializers.Serializer[Row]):
    """One guardrail: champion beside canary, and how near a verdict is."""

    name = serializers.CharField(source="guard.name")
    kind = serializers.CharField(source="guard.kind")
    decides = serializers.BooleanField(source="guard.decides")
    outcome = serializers.ChoiceField(choices=["pass", "fail", "inconclusive", "no_data"])
    champion = serializers.CharField()
    canary = serializers.CharField()
    difference = serializers.CharField()
    interval = serializers.CharField()
    allowed = serializers.CharField()
    evidence = serializers.CharField(source="meter.left")
    near = serializers.CharField(source="meter.right")
    n = serializers.IntegerField()
    expected_more = serializers.IntegerField(source="more", allow_null=True)
    expected_seconds = serializers.FloatField(source="wait_s", allow_null=True, help_text="at the present rate")
    alpha = serializers.FloatField(help_text="its share of the plan's")
    why = serializers.CharField()


class StatusSerializer(serializers.Serializer[Screen]):
    """Where a rollout stands."""

    word = serializers.CharField()
    sentence = serializers.CharField()
    figures = FigureSerializer(many=True)
    guardrails = GuardrailStatusSerializer(source="rows", many=True)
    stale = serializers.BooleanField(help_text="open, and nothing has looked at it for half a minute")


class BudgetSpentSerializer(serializers.Serializer[Any]):
    """What the canary took of one error budget."""

    objective = serializers.CharField()
    bad = serializers.IntegerField()
    total = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="of the whole budget")


class RolloutDetailSerializer(RolloutSerializer):
    """A rollout with its plan, and where it stands."""

    status = serializers.SerializerMethodField()
    plan = serializers.JSONField(source="document", help_text="as it was when this began")
    plan_number = serializers.IntegerField(source="made_from.number", allow_null=True, default=None)
    canary_requests = serializers.IntegerField()
    canary_failures = serializers.IntegerField()
    budget_spent = BudgetSpentSerializer(source="budget", many=True)

    class Meta(RolloutSerializer.Meta):
        fields = (
            *RolloutSerializer.Meta.fields,
            "plan",
            "plan_number",
            "canary_requests",
            "canary_failures",
            "budget_spent",
            "status",
        )  # type: ignore[assignment]

    def get_status(self, rollout: Rollout) -> StatusSerializer:
        """Return where it stands."""
        shown: StatusSerializer = StatusSerializer(screen(rollout, now=timezone.now())).data  # type: ignore[assignment]
        return shown


class RolloutVerdictSerializer(serializers.ModelSerializer[RolloutVerdict]):
    """What was known of one guardrail, from ``at`` to ``seen_at``."""

    against = serializers.FloatField(help_text="natural logarithm of the evidence that the candidate is worse")
    favour = serializers.FloatField(help_text="the same that it is not worse than allowed")

    class Meta:
        model = RolloutVerdict
        fields = ("id", "metric", "outcome", "state", "step", "weight_bp", "against", "most_against", "favour", "most_favour",
                  "threshold", "n", "sentence", "detail", "at", "seen_at")  # fmt: skip


class RolloutActSerializer(serializers.ModelSerializer[RolloutAct]):
    """A move of the state, or what a person did."""

    actor = serializers.CharField(source="actor.username", allow_null=True, default=None)

    class Meta:
        model = RolloutAct
        fields = ("id", "action", "before", "after", "weight_bp", "text", "actor", "at")


class DisagreementSerializer(serializers.ModelSerializer[TrialDisagreement]):
    """A request on which both versions differ."""

    class Meta:
        model = TrialDisagreement
        fields = (
            "id",
            "guard",
            "request_id",
            "row",
            "at",
            "size",
            "champion_outputs",
            "candidate_outputs",
            "error",
            "inputs",
        )
