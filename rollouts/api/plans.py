"""Plans by the API, as JSON and as YAML."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.base import ApiView, ListQuery, Query, Strict, ordering
from registry.api.lookup import find_model, find_promotion
from registry.api.parsers import BodyTooLargeError, StrictJSONParser
from registry.errors import InvalidError
from registry.models import RegisteredModel
from rollouts import selectors, services
from rollouts.models import Rollout, RolloutPlan
from rollouts.plans.dry_run import Replay, replay_arms, replay_parted
from rollouts.plans.expected import Expectation, expectations
from rollouts.plans.plan import Plan, PlanError, plan_document, read_plan
from rollouts.plans.text import PlanTextError, plan_from_yaml, plan_to_yaml
from rollouts.recordings import parted_spans, recorded_rates, trial_spans

YAML = "application/yaml"


class YamlParser(BaseParser):
    """A plan as YAML, read by the plan's own reader."""

    media_type = YAML

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        """Return the text."""
        raw = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(raw) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise BodyTooLargeError("The body is larger than the server reads.")
        return {"yaml": raw.decode(errors="replace")}


class YamlRenderer(BaseRenderer):
    """A plan as YAML with people's units."""

    media_type = YAML
    format = "yaml"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the plan's text; problems stay JSON."""
        return data["yaml"].encode() if isinstance(data, dict) and "yaml" in data else JSONRenderer().render(data)


class RolloutPlanSerializer(serializers.ModelSerializer[RolloutPlan]):
    """One version of a plan."""

    of = serializers.SerializerMethodField(help_text="model, promotion or tier")
    plan = serializers.JSONField(source="document", help_text="in basis points and seconds; null: taken back")
    yaml = serializers.SerializerMethodField(help_text="the same with people's units")
    made_by = serializers.CharField(source="made_by.username", allow_null=True, default=None)

    class Meta:
        model = RolloutPlan
        fields = ("number", "of", "plan", "yaml", "note", "made_by", "made_at")

    def get_of(self, row: RolloutPlan) -> str:
        """Return whose plan it is."""
        return "model" if row.model_id else "promotion" if row.promotion_id else "tier"

    def get_yaml(self, row: RolloutPlan) -> str:
        """Return the text."""
        return plan_to_yaml(row.plan) if row.document is not None else ""


class PlanBody(Strict):
    """A plan, as JSON or as YAML in a string."""

    plan = serializers.JSONField(required=False, help_text="in basis points and seconds")
    yaml = serializers.CharField(
        required=False, trim_whitespace=False, help_text="with people's units, such as 5% and 30m"
    )


class PlanSaveBody(PlanBody):
    """A plan, and why."""

    note = serializers.CharField(required=False, allow_blank=True, help_text="what changed, and why")


class NoteQuery(Query):
    """Why, where the body is YAML alone."""

    note = serializers.CharField(required=False, help_text="what changed, and why; of a body that is YAML")


class DryRunBody(PlanBody):
    """What to replay."""

    ratio = serializers.FloatField(
        default=1.0, min_value=0.1, max_value=20, help_text="how many times as often the candidate fails"
    )
    rollout = serializers.IntegerField(
        required=False, help_text="a past rollout of the model, replayed with the arms that it had"
    )


class ExpectationSerializer(serializers.Serializer[Expectation]):
    """How many requests of both arms a guardrail's pass is expected to take."""

    guardrail = serializers.CharField(source="guard.name")
    base_rate = serializers.FloatField()
    measured = serializers.BooleanField(help_text="recorded in the last 48 hours, and not assumed")
    unrealistic = serializers.BooleanField(help_text="longer than the plan lasts, even at the last weight")
    to_fail = serializers.IntegerField(allow_null=True, help_text="until one worse by the margin is found out")
    weights = serializers.SerializerMethodField()

    def get_weights(self, row: Expectation) -> list[dict[str, Any]]:
        """Return requests and seconds by weight."""
        return [{"weight_bp": c.weight_bp, "requests": c.requests, "seconds": c.seconds} for c in row.cells]


class PlanCheckedSerializer(serializers.Serializer[Any]):
    """A sound plan in both forms, and what it is expected to take."""

    plan = serializers.JSONField()
    yaml = serializers.CharField()
    requests_per_s = serializers.FloatField(help_text="recorded over 48 hours")
    expected = ExpectationSerializer(many=True)


class DryRunMoveSerializer(serializers.Serializer[Any]):
    """Something that would have happened."""

    at = serializers.DateTimeField()
    weight_bp = serializers.IntegerField()
    words = serializers.CharField()


class ReplaySerializer(serializers.Serializer[Replay]):
    """What the plan would have done."""

    outcome = serializers.ChoiceField(choices=["rolled_back", "promoted", "awaiting", "open", "no_data"])
    at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()
    requests = serializers.IntegerField(help_text="answered by the candidate")
    moves = DryRunMoveSerializer(many=True)
    taken_as_passed = serializers.ListField(
        source="unknown", child=serializers.CharField(), help_text="guardrails that the recording does not tell"
    )


class PlanView(ApiView):
    """A view that reads plans."""

    parser_classes = (StrictJSONParser, YamlParser)

    def read(self, values: Mapping[str, Any], model: RegisteredModel) -> Plan:
        """Return the plan of a body, or the one in force where the body has none.

        Raises:
            InvalidError: names the field, and the line where it is text.
        """
        try:
            if "yaml" in values:
                return plan_from_yaml(values["yaml"])
            return read_plan(values["plan"]) if "plan" in values else selectors.plan_in_force(model).plan
        except PlanTextError as error:
            raise InvalidError(f"Line {error.line}, {error.field}: {error.message}", field="yaml") from None
        except PlanError as error:
            raise InvalidError(
                f"{error.field}: {error.message}",
                field=f"plan/{error.field.replace('[', '/').replace(']', '').replace('.', '/')}",
            ) from None

    def needed(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return ``values`` if they hold a plan."""
        if ("plan" in values) == ("yaml" in values):
            raise InvalidError("Send the plan either as `plan` (JSON) or as `yaml` (text).", field="plan")
        return values


class ModelPlan(PlanView):
    """The plan of a model's rollouts."""

    renderer_classes = (JSONRenderer, YamlRenderer)
    write_query_class = NoteQuery

    @extend_schema(
        summary="Get a model's rollout plan", tags=["Rollout plans"],
        responses={(200, "application/json"): RolloutPlanSerializer, (200, YAML): OpenApiTypes.STR},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """Return the plan in force: the model's own, or the installation's for its risk tier; `Accept: application/yaml` gives the text alone."""
        return Response(RolloutPlanSerializer(selectors.plan_in_force(find_model(self.actor, name))).data)

    @extend_schema(
        summary="Change a model's rollout plan",
        request=PlanSaveBody,
        responses=RolloutPlanSerializer,
        tags=["Rollout plans"],
    )
    def put(self, request: Request, name: str) -> Response:
        """Put the next number of the model's plan in force. A body that is YAML alone (`application/yaml`) takes `?note=`.

        Asks for an engineer, approver or admin. A rollout under way keeps the plan that it began with.
        """
        model = find_model(self.actor, name)
        values = self.needed(self.body(PlanSaveBody))
        document = plan_document(self.read(values, model))
        note = values.get("note") or self.query.get("note", "")
        return Response(
            RolloutPlanSerializer(services.plan_save(actor=self.actor, model=model, document=document, note=note)).data
        )

    @extend_schema(
        summary="Take a model's rollout plan back", responses={200: RolloutPlanSerializer}, tags=["Rollout plans"]
    )
    def delete(self, request: Request, name: str) -> Response:
        """Take the model's own plan back, for the reason in `?note=`; the installation's for its risk tier holds from then on."""
        model = find_model(self.actor, name)
        services.plan_save(actor=self.actor, model=model, document=None, note=self.query.get("note", ""))
        return Response(RolloutPlanSerializer(selectors.plan_in_force(model)).data)


class PlansQuery(ListQuery):
    """The order of plans."""

    ordering = ordering("-number")


class ModelPlans(ApiView):
    """The versions of a model's plan."""

    query_class = PlansQuery

    @extend_schema(
        summary="List the versions of a model's rollout plan",
        responses=RolloutPlanSerializer(many=True),
        tags=["Rollout plans"],
    )
    def get(self, request: Request, name: str) -> Response:
        """List the versions of a model's own plan, newest first."""
        return self.page(find_model(self.actor, name).rollout_plans.select_related("made_by"), RolloutPlanSerializer)


class ModelPlanValidate(PlanView):
    """Checking a plan."""

    @extend_schema(
        summary="Check a rollout plan", request=PlanBody, responses=PlanCheckedSerializer, tags=["Rollout plans"]
    )
    def post(self, request: Request, name: str) -> Response:
        """Check a plan, and say what it is expected to take with the model's recorded traffic; writes nothing."""
        model = find_model(self.actor, name)
        self.actor.require(model.team, *services.PLANNERS)
        plan = services.plan_checked(plan_document(self.read(self.needed(self.body(PlanBody)), model)), model)
        recorded = recorded_rates(model, plan, now=timezone.now())
        shown = {
            "plan": plan_document(plan), "yaml": plan_to_yaml(plan), "requests_per_s": recorded.per_s,
            "expected": expectations(plan, recorded),
        }  # fmt: skip
        return Response(PlanCheckedSerializer(shown).data)


class ModelPlanDryRun(PlanView):
    """Replaying recorded traffic under a plan."""

    @extend_schema(
        summary="Dry-run a rollout plan", request=DryRunBody, responses=ReplaySerializer, tags=["Rollout plans"]
    )
    def post(self, request: Request, name: str) -> Response:
        """Say what a plan (the one in force, where none is sent) would have done with the traffic of the last 48 hours; writes nothing.

        One version answered that traffic, so it is parted at random into a champion and a candidate that fails `ratio` times as often. With
        `rollout` a past rollout is replayed with the arms that it had.
        """
        model = find_model(self.actor, name)
        self.actor.require(model.team, *services.PLANNERS)
        values = self.body(DryRunBody)
        plan = self.read(values, model)
        if "rollout" in values:
            past = get_object_or_404(Rollout.objects.select_related("trial"), pk=values["rollout"], model=model)
            done = replay_arms(plan, trial_spans(past))
        else:
            done = replay_parted(plan, parted_spans(model, plan, now=timezone.now()), ratio=values["ratio"])
        if done is None:
            done = Replay("no_data", None, "Nothing is recorded.", [], [], {}, [], 0)
        return Response(ReplaySerializer(done).data)


class PromotionPlan(PlanView):
    """The plan that one promotion goes by."""

    renderer_classes = (JSONRenderer, YamlRenderer)
    write_query_class = NoteQuery

    @extend_schema(
        summary="Get a promotion's rollout plan", tags=["Rollout plans"],
        responses={(200, "application/json"): RolloutPlanSerializer, (200, YAML): OpenApiTypes.STR},
    )  # fmt: skip
    def get(self, request: Request, pk: int) -> Response:
        """Return the plan that the rollout of a promotion follows: one of its own, or the model's."""
        return Response(RolloutPlanSerializer(selectors.plan_for(find_promotion(self.actor, pk))).data)

    @extend_schema(
        summary="Give a promotion a rollout plan of its own",
        request=PlanSaveBody,
        responses=RolloutPlanSerializer,
        tags=["Rollout plans"],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Have one promotion go by a plan of its own. Asks for who requested it, before the first approval."""
        promotion = find_promotion(self.actor, pk)
        values = self.needed(self.body(PlanSaveBody))
        document = plan_document(self.read(values, promotion.model))
        note = values.get("note") or self.query.get("note", "")
        made = services.promotion_plan_save(actor=self.actor, promotion=promotion, document=document, note=note)
        return Response(RolloutPlanSerializer(made).data)
