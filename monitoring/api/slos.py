"""Objectives and how they stand."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import selectors, services
from monitoring.models import SLICES, Slo
from monitoring.quality.points import QualityPoint
from monitoring.slo.arithmetic import Standing
from monitoring.slo.burn import Burn
from registry.api.base import ApiView, ListQuery, Strict
from registry.api.lookup import find_model

TAGS = ["Objectives"]
ESTIMATE_IS = "A proxy, from scores without labels: it cannot see that the same inputs come to mean another outcome."
DISAGREEMENT_IS = (
    "A proxy, from answers without labels: it cannot see which of both is right, nor where both are wrong."
)


class BurnSerializer(serializers.Serializer[Burn]):
    """How fast the budget burns by one rule; 1 spends it just in time."""

    name = serializers.CharField(source="rule.name")
    severity = serializers.CharField(source="rule.severity", help_text="page: a person at once; ticket: within days")
    share = serializers.FloatField(source="rule.share", help_text="of the budget that is spent within `long_s`")
    long_s = serializers.IntegerField(source="rule.long_s")
    short_s = serializers.IntegerField(source="rule.short_s")
    threshold = serializers.FloatField(source="rule.rate", help_text="burn rate from which on both look-backs burn")
    long = serializers.FloatField(allow_null=True, help_text="burn rate; null without data")
    short = serializers.FloatField(allow_null=True)
    widened_s = serializers.IntegerField(help_text="how far the short look-back reaches: further where few asked")
    bad = serializers.IntegerField(source="counted.bad", help_text="in the long look-back")
    total = serializers.IntegerField(source="counted.total", help_text="in the long look-back")
    too_few = serializers.BooleanField(source="is_thin", help_text="it burns by so few failures that nobody is called")
    burning = serializers.BooleanField(
        allow_null=True, help_text="both look-backs burn; null without data, or with too few failures to tell"
    )


class CostsSerializer(serializers.Serializer[selectors.Costs]):
    """What was spent in the window."""

    per_1000 = serializers.DecimalField(20, 6, allow_null=True, help_text="predictions that callers met")
    total = serializers.DecimalField(20, 6, allow_null=True)
    shadow = serializers.DecimalField(20, 6, allow_null=True, help_text="of shadow copies; in no budget")
    currency = serializers.CharField()


class LabelsSerializer(serializers.Serializer[selectors.Labels]):
    """How far labels have come in the window."""

    budget_left = serializers.FloatField(source="left", allow_null=True, help_text="with what is provisional")
    provisional = serializers.IntegerField(help_text="spans whose labels may still come")
    final = serializers.IntegerField()
    untold = serializers.IntegerField(help_text="spans without enough labels")
    labelled = serializers.IntegerField()
    predictions = serializers.IntegerField()


class SlosSerializer(serializers.ListSerializer[Any]):
    """Objectives, measured together."""

    def to_representation(self, data: Any) -> list[Any]:
        """Return each objective with how it stands now."""
        return super().to_representation(selectors.slo_statuses(data, now=timezone.now()))


class SloSerializer(serializers.Serializer[selectors.SloStatus]):
    """An objective and how it stands."""

    class Meta:
        list_serializer_class = SlosSerializer

    id = serializers.IntegerField(source="slo.pk")
    model = serializers.CharField(source="slo.model.name")
    name = serializers.CharField(source="slo.name")
    description = serializers.CharField(source="slo.description")
    kind = serializers.ChoiceField(choices=Slo.Kind.choices, source="slo.kind")
    objective = serializers.DecimalField(6, 5, source="slo.objective")
    window_days = serializers.IntegerField(source="slo.window_days", allow_null=True)
    calendar = serializers.CharField(source="slo.calendar")
    time_zone = serializers.CharField(source="slo.time_zone")
    window_start = serializers.DateTimeField(source="window.start")
    window_end = serializers.DateTimeField(source="window.end")
    budgeting = serializers.ChoiceField(choices=Slo.Budgeting.choices, source="slo.budgeting")
    slice_s = serializers.IntegerField(source="slo.slice_s", allow_null=True)
    slice_target = serializers.FloatField(source="slo.slice_target", allow_null=True)
    threshold_ms = serializers.FloatField(source="slo.threshold_ms", allow_null=True)
    metric = serializers.CharField(source="slo.metric")
    maturity_s = serializers.IntegerField(source="slo.maturity_s", allow_null=True)
    min_coverage = serializers.FloatField(source="slo.min_coverage", allow_null=True)
    column = serializers.CharField(source="slo.column")
    column_holds = serializers.CharField(source="slo.column_holds")
    max_age_s = serializers.IntegerField(source="slo.max_age_s", allow_null=True)
    input_slice = serializers.DictField(source="slo.input_slice")
    counted_since = serializers.DateTimeField(source="slo.counted_since")
    standing = serializers.ChoiceField(choices=[str(s) for s in Standing])
    bad = serializers.IntegerField(help_text="events or time slices that were not good")
    total = serializers.IntegerField()
    sli = serializers.FloatField(allow_null=True, help_text="good share in [0, 1]; null without data")
    budget_left = serializers.FloatField(source="left", allow_null=True, help_text="1 untouched, below 0 overspent")
    budget_minutes = serializers.FloatField(help_text="minutes of complete failure that the whole budget holds")
    budget_minutes_left = serializers.FloatField(source="minutes_left", allow_null=True)
    burns = BurnSerializer(many=True)
    costs = CostsSerializer(allow_null=True)
    labels = LabelsSerializer(allow_null=True)
    created_by = serializers.CharField(source="slo.created_by.username")
    created_at = serializers.DateTimeField(source="slo.created_at")
    path = serializers.CharField(source="slo.path")


class EstimateProxySerializer(serializers.Serializer[QualityPoint]):
    """What the metric of a span probably is, before its labels are due."""

    at = serializers.DateTimeField(help_text="start of the span, when predictions were made")
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True, help_text="end of the 95% interval")
    high = serializers.FloatField(allow_null=True)
    predictions = serializers.IntegerField()


class DisagreementProxySerializer(serializers.Serializer[selectors.DisagreementProxy]):
    """How often a shadow decided otherwise than the version that answered, on the same requests."""

    version = serializers.IntegerField(source="version.number", help_text="that was asked as a shadow")
    beside = serializers.IntegerField(source="beside.number", help_text="the version that answered")
    is_champion = serializers.BooleanField(help_text="it answers by now: this is from its time as a shadow")
    guard = serializers.CharField(source="guard.name")
    pairs = serializers.IntegerField(help_text="requests that both answered")
    different = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="of pairs that differ; null below 30 pairs")
    low = serializers.FloatField(allow_null=True, help_text="end of the 95% interval")
    high = serializers.FloatField(allow_null=True)
    missing = serializers.IntegerField(help_text="copies that never told; no agreement")
    failed = serializers.IntegerField(help_text="copies that failed where the answer did not")
    change = serializers.FloatField(allow_null=True, help_text="mean difference, where numbers are compared")
    bounds = serializers.BooleanField(
        help_text="of requests of one row, the metric differs between both by at most `share`"
    )
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()


class ProxiesSerializer(serializers.Serializer[Any]):
    """What stands in for labels that are not due; part of no budget, and no alert rests on it."""

    metric = serializers.CharField()
    estimates = EstimateProxySerializer(many=True, help_text=ESTIMATE_IS)
    estimate_is = serializers.CharField(help_text="what an estimate cannot see")
    disagreements = DisagreementProxySerializer(many=True, help_text=DISAGREEMENT_IS)
    disagreement_is = serializers.CharField(help_text="what a disagreement cannot see")


class TermsBody(Strict):
    """What an objective promises."""

    name = serializers.CharField(required=False, max_length=63, help_text="unique within the model")
    description = serializers.CharField(required=False, allow_blank=True)
    kind = serializers.ChoiceField(choices=Slo.Kind.choices, required=False)
    objective = serializers.DecimalField(
        max_digits=None, decimal_places=None, required=False, help_text="such as 0.999"
    )  # fmt: skip
    window_days = serializers.IntegerField(
        required=False, allow_null=True, help_text=f"rolling; one of {', '.join(map(str, services.WINDOW_DAYS))}"
    )
    calendar = serializers.ChoiceField(
        choices=Slo.Unit.choices, required=False, allow_blank=True, help_text="instead of window_days"
    )
    time_zone = serializers.CharField(required=False, help_text="IANA name; UTC if left out")
    budgeting = serializers.ChoiceField(choices=Slo.Budgeting.choices, required=False)
    slice_s = serializers.IntegerField(
        required=False, allow_null=True, help_text=f"of timeslices; one of {', '.join(map(str, SLICES))}"
    )
    slice_target = serializers.FloatField(
        required=False, allow_null=True, help_text="good share, or cost, that makes a slice good"
    )
    threshold_ms = serializers.FloatField(
        required=False,
        allow_null=True,
        help_text=f"for latency; one of {', '.join(f'{e:g}' for e in services.EDGES_MS)}",
    )
    metric = serializers.CharField(required=False, allow_blank=True, help_text="for quality")
    maturity_s = serializers.IntegerField(
        required=False, allow_null=True, help_text="for quality: when labels have come"
    )
    min_coverage = serializers.FloatField(required=False, allow_null=True, help_text="for quality: labelled share")
    column = serializers.CharField(required=False, allow_blank=True, help_text="for freshness: an input")
    column_holds = serializers.ChoiceField(choices=Slo.Holds.choices, required=False, allow_blank=True)
    max_age_s = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    input_slice = serializers.DictField(required=False, help_text="{input: value} of the requests it is about")


class SloBody(TermsBody):
    """A new objective."""

    model = serializers.CharField()
    kind = serializers.ChoiceField(choices=Slo.Kind.choices)
    objective = serializers.DecimalField(max_digits=None, decimal_places=None, help_text="such as 0.999")


class SloEditBody(TermsBody):
    """What changes, and why."""

    reason = serializers.CharField()


class SloQuery(ListQuery):
    """Which objectives."""

    model = serializers.CharField(required=False)
    kind = serializers.ChoiceField(choices=Slo.Kind.choices, required=False)
    standing = serializers.ChoiceField(
        choices=[str(s) for s in Standing], required=False, help_text="as last looked at"
    )


class Slos(ApiView):
    """Service level objectives of the reader's teams."""

    query_class = SloQuery

    @extend_schema(summary="List objectives", responses=SloSerializer(many=True), tags=TAGS)
    def get(self, request: Request) -> Response:
        """List the objectives of your teams and how they stand, newest first."""
        asked = {"model__name": "model", "kind": "kind", "standing": "standing"}
        wanted = {field: self.query[name] for field, name in asked.items() if self.query.get(name)}
        return self.page(Slo.objects.visible_to(self.actor).filter(**wanted), SloSerializer)

    @extend_schema(summary="Set an objective", request=SloBody, responses={201: SloSerializer}, tags=TAGS)
    def post(self, request: Request) -> Response:
        """Promise a share of good answers or time slices. Asks for the role engineer, product or admin."""
        values = self.body(SloBody)
        model = find_model(self.actor, values.pop("model"))
        return Response(_standing(services.slo_create(actor=self.actor, model=model, **values)), status=201)


class OneSlo(ApiView):
    """One objective."""

    @extend_schema(summary="Get an objective", responses=SloSerializer, tags=TAGS)
    def get(self, request: Request, pk: int) -> Response:
        """Return an objective and how it stands."""
        return Response(_standing(get_object_or_404(Slo.objects.visible_to(self.actor), pk=pk)))

    @extend_schema(summary="Edit an objective", request=SloEditBody, responses=SloSerializer, tags=TAGS)
    def patch(self, request: Request, pk: int) -> Response:
        """Change what an objective promises, for a reason. Asks for the role engineer, product or admin."""
        slo = get_object_or_404(Slo.objects.visible_to(self.actor), pk=pk)
        return Response(_standing(services.slo_edit(actor=self.actor, slo=slo, **self.body(SloEditBody))))

    @extend_schema(summary="Delete an objective", responses={204: None}, tags=TAGS)
    def delete(self, request: Request, pk: int) -> Response:
        """Take an objective back with its counts; telemetry stays. Asks for the role engineer, product or admin."""
        services.slo_delete(actor=self.actor, slo=get_object_or_404(Slo.objects.visible_to(self.actor), pk=pk))
        return Response(status=204)


class SloProxies(ApiView):
    """What stands in for labels of one objective on quality."""

    @extend_schema(summary="Get the proxies of an objective", responses=ProxiesSerializer, tags=TAGS)
    def get(self, request: Request, pk: int) -> Response:
        """Return what tells of quality before labels are due, marked as proxies; empty for other kinds of objectives."""
        slo, now = get_object_or_404(Slo.objects.visible_to(self.actor), pk=pk), timezone.now()
        of_quality = slo.kind == Slo.Kind.QUALITY
        told = {
            "metric": slo.metric,
            "estimates": selectors.quality_proxy(slo, now=now) if of_quality else [],
            "estimate_is": ESTIMATE_IS,
            "disagreements": selectors.disagreement_proxies(slo, now=now) if of_quality else [],
            "disagreement_is": DISAGREEMENT_IS,
        }
        return Response(ProxiesSerializer(told).data)


def _standing(slo: Slo) -> Any:
    return SloSerializer(selectors.slo_statuses([slo], now=timezone.now())[0]).data
