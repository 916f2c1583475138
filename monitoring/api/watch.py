"""Traffic and drift."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import Job
from monitoring import selectors, services
from monitoring.models import DriftReport
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model


class FiguresSerializer(serializers.Serializer[selectors.Figures]):
    """What was counted over some seconds."""

    seconds = serializers.FloatField()
    requests_per_s = serializers.FloatField()
    requests = serializers.IntegerField(source="counts.requests", help_text="without callers' faults and pinned ones")
    failures = serializers.IntegerField(source="counts.errors", help_text="those that failed by our fault (5xx)")
    caller_faults = serializers.IntegerField(source="counts.caller_faults", help_text="4xx, counted apart")
    pinned = serializers.IntegerField(source="counts.pinned", help_text="the caller chose the version; counted apart")
    predictions = serializers.IntegerField(source="counts.rows")
    error_rate = serializers.FloatField(allow_null=True, help_text="in [0, 1]; null without requests")
    p50_ms = serializers.FloatField(allow_null=True, help_text="of answered requests; null without any")
    p99_ms = serializers.FloatField(allow_null=True, help_text="of answered requests; null without any")


class ArmSerializer(serializers.Serializer[selectors.ArmTraffic]):
    """One version in one arm."""

    version = serializers.IntegerField(source="number")
    arm = serializers.CharField()
    weight_bp = serializers.IntegerField(help_text="share of traffic in basis points, as last seen")
    last = FiguresSerializer()


class TelemetrySerializer(serializers.Serializer[selectors.Traffic]):
    """The last five minutes of a model; shadow copies answer nobody and are in `arms` alone."""

    last = FiguresSerializer()
    arms = ArmSerializer(many=True)
    counted_until = serializers.DateTimeField(allow_null=True, help_text="null if nothing was counted for 48 hours")


class DriftReportSerializer(serializers.ModelSerializer[DriftReport]):
    """One comparison of a version's inputs with its training rows."""

    model = serializers.CharField(source="version.model.name")
    version = serializers.IntegerField(source="version.number")
    reference = serializers.CharField(source="reference.path", help_text="path of the data set version")
    share = serializers.FloatField(help_text="of the features that have drifted, in [0, 1]")
    has_drifted = serializers.BooleanField(help_text="of edition 1: whether half the features have; since then: any")

    class Meta:
        model = DriftReport
        fields: tuple[str, ...] = (
            "id", "model", "version", "reference", "reference_rows", "current_rows", "since", "until", "verdict",
            "compared", "drifted", "share", "has_drifted", "edition", "policy_number", "job", "created_at", "path",
        )  # fmt: skip


class DriftReportDetailSerializer(DriftReportSerializer):
    """One comparison, feature by feature and slice by slice."""

    class Meta(DriftReportSerializer.Meta):
        fields = (*DriftReportSerializer.Meta.fields, "features", "classifier", "slices", "note")


class DriftBody(Strict):
    """What to compare."""

    hours = serializers.IntegerField(default=24, help_text="how far back predictions are read, 1 to 168")


class QueuedSerializer(serializers.Serializer[Job]):
    """The job that does the work."""

    job = serializers.IntegerField(source="pk")
    state = serializers.CharField()
    path = serializers.SerializerMethodField()

    @extend_schema_field(str)
    def get_path(self, job: Job) -> str:
        """Return the path of the job's page."""
        return f"/jobs/{job.pk}/"


class OfModelQuery(ListQuery):
    """What lists are filtered by."""

    model = serializers.CharField(required=False, help_text="name")
    ordering = ordering("-id")


class Telemetry(ApiView):
    """The traffic of one model."""

    @extend_schema(summary="Get the traffic of a model", responses=TelemetrySerializer, tags=["Monitoring"])
    def get(self, request: Request, name: str) -> Response:
        """Return requests, errors and latencies of the last five minutes, by version and arm."""
        seen = selectors.traffic(find_model(self.actor, name), now=timezone.now())
        return Response(TelemetrySerializer(seen).data)


class DriftReports(ApiView):
    """Drift reports of the reader's teams."""

    query_class = OfModelQuery

    @extend_schema(summary="List drift reports", responses=DriftReportSerializer(many=True), tags=["Monitoring"])
    def get(self, request: Request) -> Response:
        """List the drift reports of your teams, newest first."""
        rows = DriftReport.objects.visible_to(self.actor)
        if name := self.query.get("model"):
            rows = rows.filter(version__model__name=name)
        return self.page(rows.defer("features", "slices"), DriftReportSerializer)


class OneDriftReport(ApiView):
    """One drift report."""

    @extend_schema(summary="Get a drift report", responses=DriftReportDetailSerializer, tags=["Monitoring"])
    def get(self, request: Request, pk: int) -> Response:
        """Return a drift report, feature by feature."""
        report = get_object_or_404(DriftReport.objects.visible_to(self.actor), pk=pk)
        return Response(DriftReportDetailSerializer(report).data)


class ModelDriftReports(ApiView):
    """Asking for a drift report of a model."""

    @extend_schema(
        summary="Start a drift report", request=DriftBody, responses={202: QueuedSerializer}, tags=["Monitoring"]
    )
    def post(self, request: Request, name: str) -> Response:
        """Queue a comparison of the champion's latest inputs with its training rows. Asks for a role above viewer."""
        model = find_model(self.actor, name)
        job = services.drift_report_start(actor=self.actor, model=model, **self.body(DriftBody))
        return Response(QueuedSerializer(job).data, status=202)
