"""Quality from late labels, estimates before them, and the policy behind both."""

from datetime import timedelta
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import services
from monitoring.models import QualityPolicy
from monitoring.quality.points import QualityPoint
from monitoring.selectors.quality import estimated_series, quality_metrics, quality_series
from monitoring.selectors.quality_policy import quality_policy_of
from registry.api.base import ApiView, Query, Strict
from registry.api.lookup import find_model
from registry.errors import InvalidError

MOST_POINTS = 1000
BLIND = "A proxy from the version's reference rows. It cannot see concept drift."


class PointSerializer(serializers.Serializer[QualityPoint]):
    """A metric of the predictions made in one span."""

    at = serializers.DateTimeField(help_text="start of the span, when predictions were made")
    value = serializers.FloatField(allow_null=True, help_text="null where labels cannot tell; reason says why")
    low = serializers.FloatField(allow_null=True, help_text="end of the 95% interval")
    high = serializers.FloatField(allow_null=True)
    labelled = serializers.IntegerField()
    predictions = serializers.IntegerField()
    coverage = serializers.FloatField(allow_null=True, help_text="labelled share of the predictions")
    good = serializers.IntegerField(allow_null=True, help_text="of metrics that count events")
    total = serializers.IntegerField(allow_null=True)
    provisional = serializers.BooleanField(help_text="labels of the span may still be due")
    reason = serializers.CharField(allow_blank=True)


class QualitySerializer(serializers.Serializer[dict[str, Any]]):
    """A metric over time."""

    metric = serializers.CharField()
    metrics = serializers.ListField(child=serializers.CharField(), help_text="that the model's labels support")
    span_hours = serializers.IntegerField()
    points = PointSerializer(many=True, help_text="in order of time; spans without predictions are left out")
    estimated = PointSerializer(many=True, help_text=f"before labels are there. {BLIND}")
    estimated_is = serializers.CharField(help_text="what an estimate is not")


class QualityPolicySerializer(serializers.ModelSerializer[QualityPolicy]):
    """How a model's quality is told."""

    model = serializers.CharField(source="model.name")
    compares = serializers.CharField(help_text="what is predicted, as the kind or the task has it")
    changed_by = serializers.CharField(source="changed_by.username", default=None, allow_null=True)
    changed_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = QualityPolicy
        fields = (
            "model", "number", "kind", "compares", "output", "threshold", "tolerance", "maturity_s", "min_coverage", "slices",
            "metric", "limit", "watched_s", "reason", "changed_by", "changed_at",
        )  # fmt: skip


class QualityPolicyBody(Strict):
    """What to change; what is left out stays."""

    kind = serializers.CharField(
        required=False, allow_blank=True, help_text="probability, number, category or ranking; empty: by the task"
    )
    output = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="empty: the first fit one"
    )
    threshold = serializers.FloatField(required=False, help_text="a probability from here on is a yes")
    tolerance = serializers.FloatField(required=False, allow_null=True, help_text="a number within it is right")
    maturity_s = serializers.IntegerField(required=False, help_text="seconds until a label is due; at most 90 days")
    min_coverage = serializers.FloatField(
        required=False, help_text="share, 0 to 1; with fewer labels nothing is judged"
    )
    slices = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), required=False,
        help_text="{input: [values]} that are counted apart; at most 20 values in all",
    )  # fmt: skip
    metric = serializers.CharField(required=False, allow_blank=True, help_text="that is watched; empty: none")
    limit = serializers.FloatField(
        required=False, allow_null=True, help_text="its limit; an alert is raised surely beyond it"
    )
    watched_s = serializers.IntegerField(required=False, help_text="seconds of predictions that are judged together")
    reason = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="why; has to be given for every policy but the first",
    )


class QualityQuery(Query):
    """What is asked of a model's quality."""

    metric = serializers.CharField(required=False, help_text="one of `metrics`; the watched one if left out")
    hours = serializers.IntegerField(min_value=1, max_value=24 * 366, default=168, help_text="how far back")
    span_hours = serializers.IntegerField(
        min_value=1, max_value=24 * 31, required=False, help_text="length of a span; 1 up to two days, else 24"
    )
    version = serializers.IntegerField(required=False, help_text="of all that answered callers if left out")
    arm = serializers.ChoiceField(
        choices=["champion", "canary", "shadow"], required=False, help_text="all but shadow if left out"
    )
    slice = serializers.CharField(required=False, help_text="such as `origin=JFK`")


class ModelQuality(ApiView):
    """How good a model was, by when it predicted."""

    query_class = QualityQuery

    @extend_schema(
        summary="Get quality over time", parameters=[QualityQuery], responses=QualitySerializer, tags=["Monitoring"]
    )
    def get(self, request: Request, name: str) -> Response:
        """Return a metric span by span, as labels tell by now, and what it probably is before they are there."""
        model = find_model(self.actor, name)
        policy, known = quality_policy_of(model), quality_metrics(model)
        asked = self.query
        hours = asked["hours"]
        span_hours = asked.get("span_hours") or (1 if hours <= 48 else 24)
        if hours / span_hours > MOST_POINTS:
            raise InvalidError(
                f"At most {MOST_POINTS} spans are told at once; ask for longer ones.", field="span_hours"
            )
        metric = asked.get("metric") or (policy.metric if policy.metric in known else known[0])
        version = get_object_or_404(model.versions.all(), number=asked["version"]) if "version" in asked else None
        now = timezone.now()
        of: dict[str, Any] = {
            "metric": metric, "since": now - timedelta(hours=hours), "until": now, "span": timedelta(hours=span_hours),
            "version": version, "now": now,
        }  # fmt: skip
        arm, data_slice = asked.get("arm"), asked.get("slice")
        points = quality_series(model, **of, arm=arm, slice_=data_slice)
        estimated = [] if arm or data_slice else estimated_series(model, **of)
        found = {
            "metric": metric, "metrics": known, "span_hours": span_hours, "points": points, "estimated": estimated,
            "estimated_is": BLIND,
        }  # fmt: skip
        return Response(QualitySerializer(found).data)


class OneQualityPolicy(ApiView):
    """The policy of a model's quality."""

    @extend_schema(summary="Get how quality is told", responses=QualityPolicySerializer, tags=["Monitoring"])
    def get(self, request: Request, name: str) -> Response:
        """Return what labels are compared with, when they are due, and what is watched."""
        return Response(QualityPolicySerializer(quality_policy_of(find_model(self.actor, name))).data)

    @extend_schema(
        summary="Change how quality is told",
        request=QualityPolicyBody,
        responses=QualityPolicySerializer,
        tags=["Monitoring"],
    )
    def put(self, request: Request, name: str) -> Response:
        """Put the next policy in force; hours that it counts otherwise are counted anew. Asks for engineer, product or admin."""
        model = find_model(self.actor, name)
        policy = services.quality_policy_change(
            actor=self.actor, model=model, now=timezone.now(), **self.body(QualityPolicyBody)
        )
        return Response(QualityPolicySerializer(policy).data)
