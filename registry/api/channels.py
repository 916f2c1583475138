"""Channels: where alerts are told beside the inbox, what was sent there, and how one wants mail."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import OutboxMessage
from jobs.tasks import deliver
from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.models import TeamView
from registry.api.webhooks import DeliveryDetailSerializer, DeliveryQuery, DeliverySerializer
from registry.models import Alert, AlertPreference, Role
from registry.models import Channel as Row
from registry.selectors.channels import channels_of, messages_of


class ChannelSerializer(serializers.ModelSerializer[Row]):
    """A channel without its secret."""

    team = serializers.CharField(source="team.slug")
    roles = serializers.ListField(child=serializers.CharField())
    addresses = serializers.ListField(child=serializers.CharField())
    kinds = serializers.ListField(child=serializers.CharField())
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = Row
        fields = ("id", "team", "kind", "name", "roles", "addresses", "place", "kinds", "least", "escalations", "installation",
                  "enabled", "last_success_at", "failing_since", "created_by", "created_at", "path")  # fmt: skip


class ChannelQuery(ListQuery):
    """What channels are filtered by."""

    team = serializers.CharField(required=False, help_text="slug")
    kind = serializers.ChoiceField(choices=Row.Kind.choices, required=False)
    ordering = ordering("-id")


class ChannelChange(Strict):
    """What may be changed of a channel; what is left out stays."""

    name = serializers.CharField(required=False)
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=Role.choices), required=False, help_text="of mail: members with these roles"
    )  # fmt: skip
    addresses = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="of mail: lists beside them"
    )
    url = serializers.CharField(
        required=False, help_text="of chat, such as slack://…; kept encrypted and never read out"
    )
    kinds = serializers.ListField(child=serializers.CharField(), required=False, help_text="of alerts; empty: any")
    least = serializers.ChoiceField(choices=Alert.Severity.choices, required=False, help_text="how severe at least")
    escalations = serializers.BooleanField(required=False, help_text="told only what nobody took on in time")
    installation = serializers.BooleanField(required=False, help_text="also told what is of no team; an admin's to set")
    enabled = serializers.BooleanField(required=False)


class ChannelBody(ChannelChange):
    """A channel to make."""

    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    kind = serializers.ChoiceField(choices=Row.Kind.choices)
    name = serializers.CharField()


class PreferenceSerializer(serializers.ModelSerializer[AlertPreference]):
    """How one wants mail about alerts."""

    class Meta:
        model = AlertPreference
        fields = ("mail", "quiet_from", "quiet_until", "time_zone", "critical_at_once")


class PreferenceBody(Strict):
    """How one wants mail about alerts."""

    mail = serializers.ChoiceField(choices=AlertPreference.Wants.choices)
    quiet_from = serializers.TimeField(required=False, allow_null=True, default=None)
    quiet_until = serializers.TimeField(required=False, allow_null=True, default=None)
    time_zone = serializers.CharField(default="UTC")
    critical_at_once = serializers.BooleanField(default=True)


class ChannelView(TeamView):
    """A view of one channel of the reader's teams."""

    def channel(self, pk: int) -> Row:
        """Return the channel, or 404."""
        return get_object_or_404(channels_of(self.actor), pk=pk)

    def message(self, pk: int, message: int) -> OutboxMessage:
        """Return one message to it, or 404."""
        return get_object_or_404(messages_of(self.channel(pk)), pk=message)


class Channels(ChannelView):
    """The channels of the reader's teams."""

    query_class = ChannelQuery

    @extend_schema(summary="List channels", responses=ChannelSerializer(many=True), tags=["Alerts"])
    def get(self, request: Request) -> Response:
        """List the channels of your teams. Addresses of chats are not read out."""
        rows = channels_of(self.actor)
        for name, column in (("team", "team__slug"), ("kind", "kind")):
            rows = rows.filter(**{column: self.query[name]}) if name in self.query else rows
        return self.page(rows, ChannelSerializer)

    @extend_schema(summary="Make a channel", request=ChannelBody, responses={201: ChannelSerializer}, tags=["Alerts"])
    def post(self, request: Request) -> Response:
        """Make a channel of a team. Asks for engineer or admin."""
        body = self.body(ChannelBody)
        channel = services.channel_create(actor=self.actor, team=self.team(body.pop("team", None)), **body)
        return Response(ChannelSerializer(channel).data, status=201)


class Channel(ChannelView):
    """One channel."""

    @extend_schema(summary="Get a channel", responses=ChannelSerializer, tags=["Alerts"])
    def get(self, request: Request, pk: int) -> Response:
        """Return a channel, when it last got through and since when it fails."""
        return Response(ChannelSerializer(self.channel(pk)).data)

    @extend_schema(summary="Change a channel", request=ChannelChange, responses=ChannelSerializer, tags=["Alerts"])
    def patch(self, request: Request, pk: int) -> Response:
        """Change a channel, or enable and disable it. Asks for engineer or admin."""
        services.channel_update(actor=self.actor, channel=self.channel(pk), **self.body(ChannelChange))
        return Response(ChannelSerializer(self.channel(pk)).data)

    @extend_schema(summary="Delete a channel", responses={204: None}, tags=["Alerts"])
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a channel with what it was told. Asks for engineer or admin."""
        services.channel_delete(actor=self.actor, channel=self.channel(pk))
        return Response(status=204)


class ChannelTest(ChannelView):
    """Trying a channel."""

    @extend_schema(summary="Test a channel", request=None, responses=DeliveryDetailSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """Send a made-up message at once, also to a disabled channel, and return how it went. Asks for engineer or admin."""
        sent = services.channel_test(actor=self.actor, channel=self.channel(pk))
        return Response(DeliveryDetailSerializer(sent).data)


class ChannelMessages(ChannelView):
    """What was and will be sent to a channel."""

    query_class = DeliveryQuery

    @extend_schema(summary="List a channel's messages", responses=DeliverySerializer(many=True), tags=["Alerts"])
    def get(self, request: Request, pk: int) -> Response:
        """List what was and will be sent to a channel, newest first."""
        asked = {name: self.query[name] for name in ("state", "event") if name in self.query}
        return self.page(messages_of(self.channel(pk)).filter(**asked), DeliverySerializer)


class ChannelMessage(ChannelView):
    """One message."""

    @extend_schema(summary="Get a channel's message", responses=DeliveryDetailSerializer, tags=["Alerts"])
    def get(self, request: Request, pk: int, message: int) -> Response:
        """Return a message with its text and every attempt."""
        return Response(DeliveryDetailSerializer(self.message(pk, message)).data)


class ChannelRedeliver(ChannelView):
    """Sending once more."""

    @extend_schema(summary="Send a message again", request=None, responses=DeliveryDetailSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int, message: int) -> Response:
        """Send a message that ended once more. Asks for engineer or admin."""
        again = services.channel_redeliver(
            actor=self.actor, channel=self.channel(pk), message=self.message(pk, message)
        )
        deliver.delay_on_commit()
        return Response(DeliveryDetailSerializer(again).data)


class Preference(ApiView):
    """How the caller wants mail about alerts."""

    @extend_schema(summary="Get one's mail preference", responses=PreferenceSerializer, tags=["Alerts"])
    def get(self, request: Request) -> Response:
        """Return which mail about alerts you get, and your quiet hours."""
        found = AlertPreference.objects.filter(user=self.actor.user).first() or AlertPreference(user=self.actor.user)
        return Response(PreferenceSerializer(found).data)

    @extend_schema(
        summary="Set one's mail preference", request=PreferenceBody, responses=PreferenceSerializer, tags=["Alerts"]
    )
    def put(self, request: Request) -> Response:
        """Say which mail about alerts you want, and when not."""
        return Response(
            PreferenceSerializer(services.preference_set(actor=self.actor, **self.body(PreferenceBody))).data
        )
