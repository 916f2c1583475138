"""How a model's inputs are watched for drift."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import services
from monitoring.models import DriftPolicy
from monitoring.selectors.drift_policy import WORDS, drift_policy_of
from registry.api.base import ApiView, Strict
from registry.api.lookup import find_model


class DriftPolicySerializer(serializers.ModelSerializer[DriftPolicy]):
    """How a model's inputs are watched, and when full reports are made."""

    model = serializers.CharField(source="model.name")
    muted = serializers.ListField(child=serializers.CharField())
    slices = serializers.ListField(child=serializers.CharField())
    changed_by = serializers.CharField(source="changed_by.username", default=None, allow_null=True)
    changed_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = DriftPolicy
        fields = ("model", "number", *WORDS, "reason", "changed_by", "changed_at")


class DriftPolicyBody(Strict):
    """What to change; what is left out stays."""

    window_hours = serializers.IntegerField(required=False, help_text="of the short window, 1 to 24")
    alpha = serializers.FloatField(required=False, help_text="accepted false alarms of one feature, 0.0001 to 0.1")
    fdr = serializers.FloatField(
        required=False, help_text="accepted share of wrong ones among those found, 0.0001 to 0.2"
    )
    effect_floor = serializers.FloatField(
        required=False, help_text="smallest shift that counts, in standard deviations"
    )
    muted = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=1000,
        help_text="features whose drift counts for nothing",
    )  # fmt: skip
    slices = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=10,
        help_text="categories by whose values full reports are taken apart; at most 3",
    )  # fmt: skip
    report_cron = serializers.CharField(
        required=False, allow_blank=True, max_length=100,
        help_text="minute, hour, day of the month, month, day of the week; empty: on demand",
    )  # fmt: skip
    report_zone = serializers.CharField(required=False, max_length=60, help_text="such as Europe/Berlin")
    sample_rows = serializers.IntegerField(required=False, help_text="1,000 to 50,000 predictions of a full report")
    reason = serializers.CharField(max_length=2000, allow_blank=True, default="", help_text="why; has to be given")


class OneDriftPolicy(ApiView):
    """The drift policy of a model."""

    @extend_schema(summary="Get how drift is watched", responses=DriftPolicySerializer, tags=["Monitoring"])
    def get(self, request: Request, name: str) -> Response:
        """Return the policy in force; number 0 stands for the defaults."""
        return Response(DriftPolicySerializer(drift_policy_of(find_model(self.actor, name))).data)

    @extend_schema(
        summary="Change how drift is watched",
        request=DriftPolicyBody,
        responses=DriftPolicySerializer,
        tags=["Monitoring"],
    )
    def put(self, request: Request, name: str) -> Response:
        """Put the next number in force. Asks for engineer or admin, and for a reason."""
        model = find_model(self.actor, name)
        policy = services.drift_policy_change(actor=self.actor, model=model, **self.body(DriftPolicyBody))
        return Response(DriftPolicySerializer(policy).data)
