"""What the looks at a model's inputs found."""

from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import selectors
from monitoring.drifting import Finding, Share
from monitoring.models import DriftWindow
from registry.api.base import ApiView, ListQuery, ordering
from registry.api.lookup import find_model, find_version
from registry.models import ReferenceProfile


class ShareSerializer(serializers.Serializer[Share]):
    """A share of rows in the reference and now."""

    reference = serializers.FloatField(help_text="in [0, 1]")
    current = serializers.FloatField()
    p_value = serializers.FloatField(help_text="of at least this much by chance")
    adjusted_p = serializers.FloatField(help_text="the same after allowing for the number of features")
    broke = serializers.BooleanField(help_text="whether that is too much")


class FindingSerializer(serializers.Serializer[Finding]):
    """What one look found of one feature; `(score)` is what was answered."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["number", "category"])
    method = serializers.CharField(help_text="what decides")
    distance = serializers.FloatField(help_text="standard deviations for wasserstein, a share of rows otherwise")
    threshold = serializers.FloatField(help_text="from which this feature alone would count as drifted, at these sizes")
    effect_floor = serializers.FloatField(help_text="what is too little to count, however certain")
    p_value = serializers.FloatField()
    adjusted_p = serializers.FloatField(help_text="after Benjamini and Hochberg")
    drifted = serializers.BooleanField()
    enough = serializers.BooleanField(help_text="whether both sides have rows enough to say anything")
    n = serializers.IntegerField(help_text="values compared")
    reference_n = serializers.IntegerField()
    statistics = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text="psi, ks, wasserstein, jensen_shannon, chi2"
    )
    missing = ShareSerializer()
    unseen = ShareSerializer(help_text="categories that the reference does not name")
    out_of_range = ShareSerializer()
    broken = ShareSerializer(help_text="values of another type")
    breaks = serializers.ListField(
        child=serializers.CharField(), help_text="what broke: missing, new categories, range, type"
    )
    importance = serializers.FloatField(allow_null=True, help_text="share of the model's total importance")
    cause = serializers.FloatField(help_text="share of importance by how far it moved; 0 if it did not")


class DriftWindowSerializer(serializers.ModelSerializer[DriftWindow]):
    """What the last look in one slot of the clock found."""

    version = serializers.IntegerField(source="version.number")
    hours = serializers.IntegerField(help_text="how long the window is that was looked at")
    causes = serializers.ListField(
        child=serializers.CharField(), help_text="what drifted or broke, likeliest causes first"
    )

    class Meta:
        model = DriftWindow
        fields: tuple[str, ...] = (
            "id", "version", "arm", "hours", "slot_at", "since", "until", "rows", "state", "verdict", "compared",
            "drifted", "broken", "peak", "causes", "policy_number", "judged_at", "path",
        )  # fmt: skip


class DriftWindowDetailSerializer(DriftWindowSerializer):
    """The same, feature by feature."""

    features = serializers.SerializerMethodField()

    class Meta(DriftWindowSerializer.Meta):
        fields = (*DriftWindowSerializer.Meta.fields, "features")

    @extend_schema_field(FindingSerializer(many=True))
    def get_features(self, window: DriftWindow) -> list[Any]:
        """Return what was found of each feature, the likeliest causes first."""
        return [FindingSerializer(one).data for one in selectors.findings_of(window)]


class WindowsQuery(ListQuery):
    """What looks are filtered by."""

    arm = serializers.CharField(required=False)
    hours = serializers.IntegerField(required=False, min_value=1, max_value=24, help_text="length of the window")
    state = serializers.ChoiceField(choices=DriftWindow.State.choices, required=False)
    ordering = ordering("-id")


class ModelDriftWindows(ApiView):
    """Looks at the inputs of one model."""

    query_class = WindowsQuery

    @extend_schema(summary="List looks for drift", responses=DriftWindowSerializer(many=True), tags=["Monitoring"])
    def get(self, request: Request, name: str) -> Response:
        """List what the looks at a model's inputs found, newest slot first: one for each hour and day, version and arm."""
        rows = DriftWindow.objects.light().filter(version__model=find_model(self.actor, name))
        asked: dict[str, Any] = {key: self.query[key] for key in ("arm", "state") if key in self.query}
        if "hours" in self.query:
            asked["span"] = self.query["hours"] * 3600
        return self.page(rows.filter(**asked).select_related("version__model"), DriftWindowSerializer)


class OneDriftWindow(ApiView):
    """One look."""

    @extend_schema(summary="Get a look for drift", responses=DriftWindowDetailSerializer, tags=["Monitoring"])
    def get(self, request: Request, pk: int) -> Response:
        """Return what a look found, feature by feature."""
        window = get_object_or_404(DriftWindow.objects.visible_to(self.actor).select_related("version__model"), pk=pk)
        return Response(DriftWindowDetailSerializer(window).data)


class ModelDrift(ApiView):
    """How the inputs of one model stand."""

    pagination_class = None

    @extend_schema(
        summary="Get how a model's inputs stand", responses=DriftWindowSerializer(many=True), tags=["Monitoring"]
    )
    def get(self, request: Request, name: str) -> Response:
        """Return the latest looks at each version and arm that was asked within two days, the champion's first."""
        model = find_model(self.actor, name)
        standings = selectors.drift_standings([model], now=timezone.now()).get(model.pk, [])
        windows = [window for standing in standings for window in standing.windows]
        return Response(DriftWindowSerializer(windows, many=True).data)


class VersionInputs(ApiView):
    """What a version's inputs look like now."""

    @extend_schema(summary="Compare the latest inputs", responses=DriftWindowDetailSerializer, tags=["Monitoring"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return what the latest look at a day of the version's inputs found. 404 without a reference, or before any look."""
        version = find_version(self.actor, name, number)
        get_object_or_404(ReferenceProfile.objects.filter(version=version))
        window = selectors.latest_window(version)
        if window is None:
            raise Http404
        return Response(DriftWindowDetailSerializer(window).data)
