"""How live inputs stand to a data contract."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.selectors import datasets_of
from monitoring import services
from monitoring.contracts import State
from monitoring.models import LiveCheck
from monitoring.selectors.contracts import live_judgement, live_subject
from registry.api.base import ApiView, Strict
from registry.api.lookup import find_model
from registry.errors import InvalidError
from registry.models import RegisteredModel


class LiveResultSerializer(serializers.Serializer[Any]):
    """One rule held to what was lately predicted."""

    rule = serializers.CharField()
    kind = serializers.CharField()
    column = serializers.CharField()
    name = serializers.CharField(help_text="what it demands")
    severity = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in State])
    low = serializers.FloatField(allow_null=True, help_text="what was measured, at least")
    high = serializers.FloatField(allow_null=True, help_text="and at most: bins of the reference may not tell")
    limit = serializers.FloatField(allow_null=True)
    rows = serializers.IntegerField()
    detail = serializers.CharField()
    reason = serializers.CharField()


class LiveQualitySerializer(serializers.Serializer[Any]):
    """How a model's latest inputs stand."""

    model = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    dataset = serializers.CharField(allow_null=True, help_text="whose contract it is; null: held to nothing")
    contract = serializers.IntegerField(allow_null=True, help_text="number")
    chosen = serializers.BooleanField(help_text="by the team; else it is that of the training rows")
    state = serializers.ChoiceField(choices=LiveCheck.State.values)
    since = serializers.DateTimeField(allow_null=True)
    predictions = serializers.IntegerField()
    results = LiveResultSerializer(many=True)


class LiveContractBody(Strict):
    """Whose contract."""

    dataset = serializers.CharField(allow_null=True, help_text="of the model's team; null: that of the training rows")


class LiveQuality(ApiView):
    """A model's live inputs and its data contract."""

    @extend_schema(summary="Get a model's data quality", responses=LiveQualitySerializer, tags=["Data quality"])
    def get(self, request: Request, name: str) -> Response:
        """Return how the inputs of the last quarter of an hour stand to the contract, broken rules first."""
        return Response(_told(find_model(self.actor, name)))

    @extend_schema(
        summary="Choose a model's data contract",
        request=LiveContractBody,
        responses=LiveQualitySerializer,
        tags=["Data quality"],
    )
    def put(self, request: Request, name: str) -> Response:
        """Choose the data set whose contract inputs are held to. Asks for a role above viewer."""
        model = find_model(self.actor, name)
        asked = self.body(LiveContractBody)["dataset"]
        dataset = datasets_of(self.actor).filter(name=asked).first() if asked is not None else None
        if asked is not None and dataset is None:
            raise InvalidError(f"You have no data set {asked}.", field="dataset")
        services.live_contract_choose(actor=self.actor, model=model, dataset=dataset)
        return Response(_told(model))


def _told(model: RegisteredModel) -> dict[str, Any]:
    subject = live_subject(model)
    if subject is None:
        return {
            "model": model.name, "version": None, "dataset": None, "contract": None, "chosen": False, "since": None,
            "state": LiveCheck.State.NO_DATA, "predictions": 0, "results": [],
        }  # fmt: skip
    judged = live_judgement(subject, now=timezone.now())
    return dict(
        LiveQualitySerializer(
            {
                "model": model.name, "version": subject.version.number, "dataset": subject.contract.dataset.name,
                "contract": subject.contract.number, "chosen": subject.chosen, "state": judged.state, "since": judged.since,
                "predictions": judged.rows, "results": [asdict(result) for result in judged.results],
            }
        ).data
    )  # fmt: skip
