"""A version's latest inputs beside its reference."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import selectors
from monitoring.stability import Most, Stability
from registry.api.base import ApiView
from registry.api.lookup import find_version
from registry.models import ReferenceProfile


class MostSerializer(serializers.Serializer[Most]):
    """The values that add most to an index."""

    values = serializers.CharField()
    before = serializers.FloatField(help_text="share in the reference")
    now = serializers.FloatField()


class InputSerializer(serializers.Serializer[Stability]):
    """One input in the reference and now."""

    name = serializers.CharField()
    state = serializers.ChoiceField(
        choices=["steady", "moved", "shifted", "unknown"], help_text="moved from an index of 0.1 on, shifted from 0.25"
    )
    index = serializers.FloatField(
        allow_null=True, help_text="population stability index; null where nothing was counted"
    )
    missing_before = serializers.FloatField(help_text="share of the reference, in [0, 1]")
    missing_now = serializers.FloatField()
    most = MostSerializer(allow_null=True)


class InputsSerializer(serializers.Serializer[selectors.Inputs]):
    """What was counted in the last 24 hours; below 2,000 rows chance alone moves an index."""

    rows = serializers.IntegerField(help_text="predictions counted, without pinned ones and shadow copies")
    since = serializers.DateTimeField()
    features = InputSerializer(many=True, help_text="those that moved most first")


class VersionInputs(ApiView):
    """What a version's inputs look like now."""

    @extend_schema(summary="Compare the latest inputs", responses=InputsSerializer, tags=["Monitoring"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return how far each input has moved since the reference, from counts in the reference's bins. 404 without a reference."""
        version = find_version(self.actor, name, number)
        reference = get_object_or_404(ReferenceProfile.objects.filter(version=version))
        return Response(InputsSerializer(selectors.latest_inputs(reference, now=timezone.now())).data)
