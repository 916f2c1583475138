"""API of how a model's versions are measured."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.models import EvaluationPlan, plan_in_force
from registry.api.base import ApiView, Strict
from registry.api.lookup import models_of


class EvaluationPlanBody(Strict):
    """A plan, and why."""

    plan = serializers.DictField(
        help_text="costs {false_negative, false_positive, true_positive, true_negative: an amount or a column of amounts}, slices, "
        "groups, hidden (columns), least_positives, season, latency, price; what is left out is as usual"
    )
    reason = serializers.CharField(max_length=1000)


class PlanSerializer(serializers.ModelSerializer[EvaluationPlan]):
    """How versions of a model are measured."""

    model = serializers.CharField(source="model.name")
    plan = serializers.DictField(source="document", help_text="what is as usual is left out")
    made_by = serializers.CharField(source="made_by.username", allow_null=True, default=None)
    made_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = EvaluationPlan
        fields = ("model", "number", "plan", "reason", "made_by", "made_at")


class ModelPlan(ApiView):
    """The plan of one model."""

    @extend_schema(summary="Show how a model is measured", responses=PlanSerializer, tags=["Evaluation"])
    def get(self, request: Request, name: str) -> Response:
        """Return the plan in force; number 0 where everything is measured as usual."""
        model = get_object_or_404(models_of(self.actor), name=name)
        usual = {"model": model.name, "number": 0, "plan": {}, "reason": "", "made_by": None, "made_at": None}
        found = plan_in_force(model)
        return Response(PlanSerializer(found).data if found else usual)

    @extend_schema(
        summary="Change how a model is measured",
        request=EvaluationPlanBody,
        responses={201: PlanSerializer},
        tags=["Evaluation"],
    )
    def post(self, request: Request, name: str) -> Response:
        """Put the next number of the plan in force; evaluations from now on follow it. Asks for the role engineer."""
        model = get_object_or_404(models_of(self.actor), name=name)
        values: dict[str, Any] = self.body(EvaluationPlanBody)
        made = services.evaluation_plan_change(
            actor=self.actor, model=model, document=values["plan"], reason=values["reason"]
        )
        return Response(PlanSerializer(made).data, status=201)
