"""What predictions cost."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import services
from monitoring.api.slos import TAGS
from monitoring.models import ModelPrice
from registry.api.base import ApiView, ListQuery, Strict
from registry.api.lookup import find_model, find_version


class PriceSerializer(serializers.ModelSerializer[ModelPrice]):
    """What a model, or one version of it, costs from an instant on."""

    version = serializers.IntegerField(source="version.number", allow_null=True, default=None, help_text="null: others")
    declared_by = serializers.CharField(source="declared_by.username")

    class Meta:
        model = ModelPrice
        fields = (
            "id",
            "version",
            "per_1000",
            "per_cpu_hour",
            "currency",
            "starts_at",
            "reason",
            "declared_by",
            "declared_at",
        )


class PriceBody(Strict):
    """A price from now on, or from an instant that lies ahead."""

    version = serializers.IntegerField(required=False, allow_null=True, min_value=1, help_text="left out: all others")
    per_1000 = serializers.DecimalField(12, 6, required=False, min_value=0, help_text="predictions")
    per_cpu_hour = serializers.DecimalField(12, 6, required=False, min_value=0, help_text="busy time in the gateway")
    currency = serializers.CharField(help_text="ISO 4217, such as EUR")
    starts_at = serializers.DateTimeField(required=False)
    reason = serializers.CharField()


class Prices(ApiView):
    """What the predictions of a model cost."""

    query_class = ListQuery

    @extend_schema(summary="List prices", responses=PriceSerializer(many=True), tags=TAGS)
    def get(self, request: Request, name: str) -> Response:
        """List the declared prices of a model and its versions, newest first."""
        return self.page(
            find_model(self.actor, name).prices.select_related("version", "declared_by"), PriceSerializer
        )  # fmt: skip

    @extend_schema(summary="Declare a price", request=PriceBody, responses={201: PriceSerializer}, tags=TAGS)
    def post(self, request: Request, name: str) -> Response:
        """Declare what predictions cost from now on. Asks for the role engineer, product or admin."""
        model = find_model(self.actor, name)
        values = self.body(PriceBody)
        number = values.pop("version", None)
        version = find_version(self.actor, name, number) if number else None
        price = services.price_declare(actor=self.actor, model=model, version=version, **values)
        return Response(PriceSerializer(price).data, status=201)
