"""Alerts about models, and the error budgets that gates look at."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, ordering
from registry.api.lookup import alerts_of, find_model
from registry.api.waivers import NoteBody
from registry.models import Alert, ErrorBudget


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """Something about a model that a person should know, until it is over."""

    model = serializers.CharField(source="model.name")
    acknowledged_by = serializers.CharField(source="acknowledged_by.username", allow_null=True, default=None)

    class Meta:
        model = Alert
        fields = ("id", "model", "kind", "severity", "title", "link", "key", "raised_at", "cleared_at",
                  "acknowledged_by", "acknowledged_at", "note")  # fmt: skip


class BudgetSerializer(serializers.ModelSerializer[ErrorBudget]):
    """What is left of an objective's error budget."""

    class Meta:
        model = ErrorBudget
        fields = ("objective", "remaining", "at")


class AlertQuery(ListQuery):
    """What alerts are filtered by."""

    model = serializers.CharField(required=False, help_text="name")
    kind = serializers.CharField(required=False)
    severity = serializers.ChoiceField(choices=Alert.Severity.choices, required=False)
    open = serializers.BooleanField(required=False, allow_null=True, default=None)
    ordering = ordering("-id")


class Alerts(ApiView):
    """The alerts of the reader's teams."""

    query_class = AlertQuery

    @extend_schema(summary="List alerts", responses=AlertSerializer(many=True), tags=["Alerts"])
    def get(self, request: Request) -> Response:
        """List the alerts about models of your teams, newest first."""
        rows = alerts_of(self.actor)
        for parameter, column in (("model", "model__name"), ("kind", "kind"), ("severity", "severity")):
            if parameter in self.query:
                rows = rows.filter(**{column: self.query[parameter]})
        if self.query["open"] is not None:
            rows = rows.filter(cleared_at__isnull=self.query["open"])
        return self.page(rows, AlertSerializer)


class AlertAcknowledge(ApiView):
    """Taking an alert on."""

    @extend_schema(summary="Acknowledge an alert", request=NoteBody, responses=AlertSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """Take an alert on, saying what you do about it. It stays open until its cause is gone."""
        found = get_object_or_404(alerts_of(self.actor), pk=pk)
        services.alert_acknowledge(actor=self.actor, alert_id=found.pk, note=self.body(NoteBody)["note"])
        return Response(AlertSerializer(alerts_of(self.actor).get(pk=pk)).data)


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
