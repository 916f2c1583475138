"""Alerts, what became of each, and what people do with them; and the error budgets that gates look at."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model
from registry.api.promotions import CommentBody, ReasonBody
from registry.api.waivers import NoteBody
from registry.models import Alert as Row
from registry.models import AlertEvent, AlertNotice, ErrorBudget, Role
from registry.selectors.alerts import alerts_seen


class WaySerializer(serializers.Serializer[Any]):
    """A way out of what an alert is about."""

    title = serializers.CharField()
    path = serializers.CharField(help_text="of the page that does it; it asks for log-in, role and reason")
    until = serializers.DateTimeField(required=False, help_text="when it ends, where it does")


class AlertSerializer(serializers.ModelSerializer[Row]):
    """Something that a person should know, until it is over."""

    team = serializers.CharField(
        source="team.slug", allow_null=True, default=None, help_text="null: the installation's"
    )
    model = serializers.CharField(source="model.name", allow_null=True, default=None)
    actions = WaySerializer(source="ways", many=True)
    acknowledged_by = serializers.CharField(source="acknowledged_by.username", allow_null=True, default=None)
    resolved_by = serializers.CharField(source="resolved_by.username", allow_null=True, default=None)
    owner = serializers.CharField(source="owner.username", allow_null=True, default=None)
    silence = serializers.IntegerField(source="silence_id", allow_null=True, help_text="what keeps it silent now")

    class Meta:
        model = Row
        fields: tuple[str, ...] = ("id", "team", "model", "kind", "severity", "title", "next_step", "link", "actions", "key", "group", "count",
                  "raised_at", "seen_at", "returned", "cleared_at", "acknowledged_by", "acknowledged_at", "note", "owner", "owner_role",
                  "escalated_at", "resolved_by", "resolution", "silence", "path")  # fmt: skip


class AlertEventSerializer(serializers.ModelSerializer[AlertEvent]):
    """One line of an alert's timeline."""

    actor = serializers.CharField(source="actor.username", allow_null=True, default=None)

    class Meta:
        model = AlertEvent
        fields = ("at", "what", "text", "actor", "process")


class NoticeSerializer(serializers.ModelSerializer[AlertNotice]):
    """What one channel or person is told of an alert."""

    channel = serializers.CharField(source="channel.name", allow_null=True, default=None)
    person = serializers.CharField(source="person.username", allow_null=True, default=None)
    state = serializers.CharField(source="message.state", allow_null=True, default=None, help_text="of the message")
    error = serializers.CharField(source="message.error", allow_null=True, default=None)

    class Meta:
        model = AlertNotice
        fields = ("what", "channel", "person", "written_at", "posted_at", "dropped", "state", "error")


class AlertDetailSerializer(AlertSerializer):
    """An alert with its timeline, and who was told."""

    events = AlertEventSerializer(many=True)
    notices = NoticeSerializer(many=True)

    class Meta(AlertSerializer.Meta):
        fields = (*AlertSerializer.Meta.fields, "events", "notices")


class BudgetSerializer(serializers.ModelSerializer[ErrorBudget]):
    """What is left of an objective's error budget."""

    class Meta:
        model = ErrorBudget
        fields = ("objective", "remaining", "at")


class AlertQuery(ListQuery):
    """What alerts are filtered by."""

    team = serializers.CharField(required=False, help_text="slug")
    model = serializers.CharField(required=False, help_text="name")
    kind = serializers.CharField(required=False)
    severity = serializers.ChoiceField(choices=Row.Severity.choices, required=False)
    group = serializers.CharField(required=False)
    open = serializers.BooleanField(required=False, allow_null=True, default=None)
    silenced = serializers.BooleanField(required=False, allow_null=True, default=None)
    ordering = ordering("-id")


class OwnerBody(Strict):
    """Who looks after an alert; neither of both gives it back to whom its kind is for."""

    owner = serializers.CharField(default="", allow_blank=True, help_text="a member's user name")
    role = serializers.ChoiceField(choices=Role.choices, default="", allow_blank=True)


class Alerts(ApiView):
    """The alerts of the reader's teams."""

    query_class = AlertQuery

    @extend_schema(summary="List alerts", responses=AlertSerializer(many=True), tags=["Alerts"])
    def get(self, request: Request) -> Response:
        """List the alerts of your teams, newest first; an admin sees those of the installation, too."""
        rows = alerts_seen(self.actor)
        columns = {
            "team": "team__slug",
            "model": "model__name",
            "kind": "kind",
            "severity": "severity",
            "group": "group",
        }
        rows = rows.filter(**{column: self.query[name] for name, column in columns.items() if name in self.query})
        for name, column in (("open", "cleared_at__isnull"), ("silenced", "silence__isnull")):
            if self.query[name] is not None:
                rows = rows.filter(**{column: self.query[name] is (name == "open")})
        return self.page(rows, AlertSerializer)


class AlertView(ApiView):
    """A view of one alert that the reader may see."""

    def alert(self, pk: int) -> Row:
        """Return the alert, or 404."""
        return get_object_or_404(
            alerts_seen(self.actor).prefetch_related("events__actor", "notices__channel", "notices__message"), pk=pk
        )

    def said(self, pk: int) -> Response:
        """Return the alert as it stands now."""
        return Response(AlertDetailSerializer(self.alert(pk)).data)


class Alert(AlertView):
    """One alert."""

    @extend_schema(summary="Get an alert", responses=AlertDetailSerializer, tags=["Alerts"])
    def get(self, request: Request, pk: int) -> Response:
        """Return an alert with its timeline, and who was told of it."""
        return self.said(pk)


class AlertAcknowledge(AlertView):
    """Taking an alert on."""

    @extend_schema(summary="Acknowledge an alert", request=NoteBody, responses=AlertDetailSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """Take an alert on, saying what you do about it. It stays open until its cause is gone."""
        services.alert_acknowledge(actor=self.actor, alert_id=self.alert(pk).pk, note=self.body(NoteBody)["note"])
        return self.said(pk)


class AlertResolve(AlertView):
    """Calling an alert over."""

    @extend_schema(summary="Resolve an alert", request=ReasonBody, responses=AlertDetailSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """Call an alert over, with a reason. It comes back if the next look still finds its cause."""
        services.alert_resolve(actor=self.actor, alert_id=self.alert(pk).pk, reason=self.body(ReasonBody)["reason"])
        return self.said(pk)


class AlertReopen(AlertView):
    """Opening an alert again."""

    @extend_schema(summary="Reopen an alert", request=ReasonBody, responses=AlertDetailSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """Open an alert again that was over too soon."""
        services.alert_reopen(actor=self.actor, alert_id=self.alert(pk).pk, reason=self.body(ReasonBody)["reason"])
        return self.said(pk)


class AlertOwner(AlertView):
    """Who looks after an alert."""

    @extend_schema(summary="Hand an alert on", request=OwnerBody, responses=AlertDetailSerializer, tags=["Alerts"])
    def put(self, request: Request, pk: int) -> Response:
        """Hand an open alert to a member or a role of its team: it waits in their inbox alone."""
        services.alert_own(actor=self.actor, alert_id=self.alert(pk).pk, **self.body(OwnerBody))
        return self.said(pk)


class AlertComments(AlertView):
    """Comments on an alert."""

    @extend_schema(summary="Comment on an alert", request=CommentBody, responses=AlertDetailSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """Add a comment to an alert's timeline."""
        services.alert_comment(actor=self.actor, alert_id=self.alert(pk).pk, body=self.body(CommentBody)["body"])
        return self.said(pk)


class BudgetQuery(ListQuery):
    """The order of budgets."""

    ordering = ordering("objective")


class ModelBudgets(ApiView):
    """The error budgets of a model."""

    query_class = BudgetQuery

    @extend_schema(summary="List error budgets", responses=BudgetSerializer(many=True), tags=["Alerts"])
    def get(self, request: Request, name: str) -> Response:
        """List what is left of the error budget of each objective, as the gate of promotions sees it."""
        return self.page(find_model(self.actor, name).budgets.all(), BudgetSerializer)
