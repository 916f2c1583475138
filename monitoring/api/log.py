"""What is kept of a model's predictions."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import services
from monitoring.models import MAX_KEEP_DAYS, MIN_KEEP_DAYS, LogPolicy, Treatment
from monitoring.selectors.log import log_policy_of
from registry.api.base import ApiView, Strict
from registry.api.lookup import find_model


class LogPolicySerializer(serializers.ModelSerializer[LogPolicy]):
    """For how long predictions are kept, and what the log holds in place of sensitive values."""

    model = serializers.CharField(source="model.name")
    columns = serializers.DictField(
        child=serializers.ChoiceField(choices=Treatment.values), help_text="{input column: drop, hash or mask}"
    )
    changed_by = serializers.CharField(source="changed_by.username", default=None, allow_null=True)
    changed_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = LogPolicy
        fields = ("model", "number", "keep_days", "columns", "reason", "changed_by", "changed_at")


class LogPolicyBody(Strict):
    """What to change; what is left out stays."""

    keep_days = serializers.IntegerField(required=False, help_text=f"{MIN_KEEP_DAYS} to {MAX_KEEP_DAYS}")
    columns = serializers.DictField(
        child=serializers.CharField(), required=False,
        help_text="{input column: drop, hash or mask} of all sensitive columns; others are logged as they are",
    )  # fmt: skip
    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=2000,
        help_text="why; has to be given where more of a column is recorded than before",
    )  # fmt: skip


class OneLogPolicy(ApiView):
    """The policy of a model's prediction log."""

    @extend_schema(
        summary="Get what is kept of a model's predictions", responses=LogPolicySerializer, tags=["Prediction log"]
    )
    def get(self, request: Request, name: str) -> Response:
        """Return for how long predictions are kept and which columns are withheld."""
        return Response(LogPolicySerializer(log_policy_of(find_model(self.actor, name))).data)

    @extend_schema(
        summary="Change what is kept of a model's predictions", request=LogPolicyBody, responses=LogPolicySerializer,
        tags=["Prediction log"],
    )  # fmt: skip
    def put(self, request: Request, name: str) -> Response:
        """Change it; columns hold for what is predicted from the next routing table on. Asks for engineer or admin."""
        model = find_model(self.actor, name)
        policy = services.log_policy_change(actor=self.actor, model=model, **self.body(LogPolicyBody))
        return Response(LogPolicySerializer(policy).data)
