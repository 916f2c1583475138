"""Webhooks: where a team is told what happens, and what was sent there."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import DELIVERIES, OutboxAttempt, OutboxMessage
from jobs.tasks import deliver
from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.models import TeamView
from registry.models import Webhook as WebhookRow
from registry.selectors.webhooks import deliveries_of, webhooks_of
from registry.webhooks.events import MLFLOW_EVENTS, actions

EVENTS = "names, `promotion.*` for all of a kind, or `*`; `GET /webhook-events` lists them"


class WebhookSerializer(serializers.ModelSerializer[WebhookRow]):
    """A webhook without its secret."""

    team = serializers.CharField(source="team.slug")
    events = serializers.ListField(child=serializers.CharField())
    has_secret = serializers.BooleanField(
        help_text="whether deliveries are signed; the secret itself is never read out"
    )
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = WebhookRow
        fields: tuple[str, ...] = ("id", "team", "flavour", "name", "url", "description", "events", "status", "status_reason",
                  "has_secret", "last_success_at", "failing_since", "created_by", "created_at", "updated_at",
                  "path")  # fmt: skip


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with its secret."""

    secret = serializers.CharField(required=False, help_text="shown this once; a replayed answer leaves it out")

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")

    def to_representation(self, webhook: WebhookRow) -> dict[str, Any]:
        """Add the secret, which the view alone knows."""
        return super().to_representation(webhook) | {"secret": self.context["secret"]}


class DeliverySerializer(serializers.ModelSerializer[OutboxMessage]):
    """One event on its way to one webhook."""

    state = serializers.ChoiceField(choices=DELIVERIES)
    attempts = serializers.IntegerField(source="attempt", help_text="how many were made")
    status = serializers.IntegerField(allow_null=True, help_text="the receiver's HTTP status, last time it answered")

    class Meta:
        model = OutboxMessage
        fields: tuple[str, ...] = ("id", "message_id", "event", "state", "attempts", "max_attempts", "status", "error",
                  "next_attempt_at", "created_at", "ended_at")  # fmt: skip


class DeliveryAttemptSerializer(serializers.ModelSerializer[OutboxAttempt]):
    """One attempt; what the receiver said beside its status is not kept."""

    class Meta:
        model = OutboxAttempt
        fields = ("number", "at", "latency_ms", "status", "error")


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with its body and every attempt."""

    payload = serializers.JSONField(help_text="what is sent")
    history = DeliveryAttemptSerializer(source="attempts.all", many=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "payload", "history")


class EventSerializer(serializers.Serializer[Any]):
    """One event that a webhook may ask for."""

    name = serializers.CharField()
    flavour = serializers.ChoiceField(choices=WebhookRow.Flavour.choices)
    meaning = serializers.CharField(help_text="what has happened then; of MLflow's events: what their data holds")


class WebhookQuery(ListQuery):
    """What the list of webhooks is filtered by."""

    team = serializers.CharField(required=False, help_text="slug")
    status = serializers.ChoiceField(choices=WebhookRow.Status.choices, required=False)
    flavour = serializers.ChoiceField(choices=WebhookRow.Flavour.choices, required=False)
    ordering = ordering("-id")


class WebhookBody(Strict):
    """A new webhook."""

    name = serializers.CharField(help_text="letters, digits, dots, underscores and hyphens")
    url = serializers.CharField(help_text="https, and a public address")
    events = serializers.ListField(child=serializers.CharField(), help_text=EVENTS)
    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    description = serializers.CharField(default="", allow_blank=True)
    flavour = serializers.ChoiceField(choices=WebhookRow.Flavour.choices, default=WebhookRow.Flavour.STANDARD)
    secret = serializers.CharField(required=False, help_text="of MLflow's flavour alone; ours is made here")


class WebhookChange(Strict):
    """What may be changed of a webhook; what is left out stays."""

    name = serializers.CharField(required=False)
    url = serializers.CharField(required=False, help_text="checked like the first one")
    events = serializers.ListField(child=serializers.CharField(), required=False, help_text=EVENTS)
    description = serializers.CharField(required=False, allow_blank=True)
    status = serializers.ChoiceField(choices=WebhookRow.Status.choices, required=False)
    secret = serializers.CharField(required=False, help_text="of MLflow's flavour alone; ours is rotated")


class TestBody(Strict):
    """Which event to make up."""

    event = serializers.CharField(required=False, default="", allow_blank=True, help_text="of MLflow's flavour alone")


class DeliveryQuery(ListQuery):
    """What the list of deliveries is filtered by."""

    state = serializers.ChoiceField(choices=DELIVERIES, required=False)
    event = serializers.CharField(required=False)
    ordering = ordering("-id")


class WebhookView(ApiView):
    """A view of one webhook of the reader's teams."""

    def webhook(self, pk: int) -> WebhookRow:
        """Return the webhook, or 404."""
        return get_object_or_404(webhooks_of(self.actor), pk=pk)

    def delivery(self, pk: int, delivery: int) -> OutboxMessage:
        """Return one delivery to it, or 404."""
        return get_object_or_404(deliveries_of(self.webhook(pk)), pk=delivery)


class WebhookEvents(ApiView):
    """What webhooks can be told."""

    pagination_class = None

    @extend_schema(summary="List webhook events", responses=EventSerializer(many=True), tags=["Webhooks"])
    def get(self, request: Request) -> Response:
        """List every event that a webhook may ask for: audit actions, and MLflow's own."""
        ours = [{"name": n, "flavour": WebhookRow.Flavour.STANDARD, "meaning": m} for n, m in actions().items()]
        theirs = [
            {"name": name, "flavour": WebhookRow.Flavour.MLFLOW, "meaning": ", ".join(fields)}
            for name, fields in MLFLOW_EVENTS.items()
        ]
        return Response(EventSerializer([*ours, *theirs], many=True).data)


class Webhooks(TeamView):
    """The webhooks of the reader's teams."""

    query_class = WebhookQuery

    @extend_schema(summary="List webhooks", responses=WebhookSerializer(many=True), tags=["Webhooks"])
    def get(self, request: Request) -> Response:
        """List the webhooks of your teams, those of MLflow's clients among them. Secrets are not read out."""
        rows = webhooks_of(self.actor)
        for parameter, column in (("team", "team__slug"), ("status", "status"), ("flavour", "flavour")):
            if parameter in self.query:
                rows = rows.filter(**{column: self.query[parameter]})
        return self.page(rows, WebhookSerializer)

    @extend_schema(
        summary="Create a webhook", request=WebhookBody, responses={201: NewWebhookSerializer}, tags=["Webhooks"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Create a webhook of a team, and get the secret that its deliveries are signed with. Asks for engineer or admin."""
        values = self.body(WebhookBody)
        team = self.team(values.pop("team", None))
        webhook, secret = services.webhook_create(actor=self.actor, team=team, **values)
        return Response(NewWebhookSerializer(webhook, context={"secret": secret}).data, status=201)


class Webhook(WebhookView):
    """One webhook."""

    @extend_schema(summary="Get a webhook", responses=WebhookSerializer, tags=["Webhooks"])
    def get(self, request: Request, pk: int) -> Response:
        """Return a webhook, when it last got through and since when it fails."""
        return Response(WebhookSerializer(self.webhook(pk)).data)

    @extend_schema(summary="Change a webhook", request=WebhookChange, responses=WebhookSerializer, tags=["Webhooks"])
    def patch(self, request: Request, pk: int) -> Response:
        """Change a webhook, or enable and disable it. Asks for engineer or admin."""
        webhook = self.webhook(pk)
        services.webhook_update(actor=self.actor, webhook=webhook, **self.body(WebhookChange))
        return Response(WebhookSerializer(self.webhook(pk)).data)

    @extend_schema(summary="Delete a webhook", responses={204: None}, tags=["Webhooks"])
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a webhook with its deliveries; what waits is not sent any more. Asks for engineer or admin."""
        services.webhook_delete(actor=self.actor, webhook=self.webhook(pk))
        return Response(status=204)


class WebhookTest(WebhookView):
    """Trying a webhook."""

    @extend_schema(summary="Test a webhook", request=TestBody, responses=DeliveryDetailSerializer, tags=["Webhooks"])
    def post(self, request: Request, pk: int) -> Response:
        """Send a made-up event at once, also to a disabled webhook, and return how it went. Asks for engineer or admin."""
        webhook = self.webhook(pk)
        sent = services.webhook_test(actor=self.actor, webhook=webhook, **self.body(TestBody))
        return Response(DeliveryDetailSerializer(sent).data)


class WebhookRotate(WebhookView):
    """Replacing a secret."""

    @extend_schema(
        summary="Rotate a webhook's secret", request=None, responses=NewWebhookSerializer, tags=["Webhooks"]
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Make a new secret and return it. The former one signs beside it for a day. Asks for engineer or admin."""
        webhook, secret = services.webhook_rotate(actor=self.actor, webhook=self.webhook(pk))
        return Response(NewWebhookSerializer(webhook, context={"secret": secret}).data)


class WebhookDeliveries(WebhookView):
    """What was and will be sent to a webhook."""

    query_class = DeliveryQuery

    @extend_schema(summary="List deliveries", responses=DeliverySerializer(many=True), tags=["Webhooks"])
    def get(self, request: Request, pk: int) -> Response:
        """List the deliveries to a webhook, newest first. Those that ended are kept for a while."""
        rows = deliveries_of(self.webhook(pk))
        asked = {name: self.query[name] for name in ("state", "event") if name in self.query}
        return self.page(rows.filter(**asked), DeliverySerializer)


class WebhookDelivery(WebhookView):
    """One delivery."""

    @extend_schema(summary="Get a delivery", responses=DeliveryDetailSerializer, tags=["Webhooks"])
    def get(self, request: Request, pk: int, delivery: int) -> Response:
        """Return a delivery with its body and every attempt."""
        return Response(DeliveryDetailSerializer(self.delivery(pk, delivery)).data)


class WebhookRedeliver(WebhookView):
    """Sending once more."""

    @extend_schema(summary="Redeliver", request=None, responses=DeliveryDetailSerializer, tags=["Webhooks"])
    def post(self, request: Request, pk: int, delivery: int) -> Response:
        """Send a delivery that ended once more, under the same id. Asks for engineer or admin."""
        message = self.delivery(pk, delivery)
        again = services.webhook_redeliver(actor=self.actor, webhook=self.webhook(pk), message=message)
        deliver.delay_on_commit()
        return Response(DeliveryDetailSerializer(again).data)
