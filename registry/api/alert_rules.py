"""What a team says about its alerts: rules of its own, and silences."""

from collections.abc import Iterable
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.alerting import rules
from registry.alerting.kinds import KINDS
from registry.api.base import ListQuery, Query, Strict, ordering
from registry.api.lookup import find_model
from registry.api.models import TeamView
from registry.models import Alert, RegisteredModel, Team
from registry.models import Silence as Row
from registry.selectors.alert_rules import rule_book


class AlertRuleSerializer(serializers.Serializer[Any]):
    """The rule that holds for one kind of alert."""

    kind = serializers.CharField()
    words = serializers.CharField(help_text="the kind as people read it")
    fixed = serializers.BooleanField(help_text="nobody switches it off")
    rule = serializers.DictField(help_text="what holds")
    changed = serializers.ListField(child=serializers.CharField(), help_text="fields that differ from the product's")
    of_installation = serializers.BooleanField(help_text="about no team: its rule is the installation's alone")


class RuleQuery(Query):
    """Whose rules."""

    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    model = serializers.CharField(required=False, help_text="name; left out: those of the team's models in general")
    installation = serializers.BooleanField(required=False, help_text="those that hold where a team has no own")


class AlertRuleBody(Strict):
    """A change of a rule; fields that are left out stay."""

    kind = serializers.ChoiceField(choices=[(kind.name, kind.words) for kind in KINDS.values()])
    changes = serializers.DictField(required=False, help_text=f"fields of a rule: {', '.join(rules.NAMES)}")
    reset = serializers.BooleanField(default=False, help_text="give up what was changed instead")
    reason = serializers.CharField()
    team = serializers.CharField(required=False)
    model = serializers.CharField(required=False, help_text="name; left out: for all of the team's models")
    installation = serializers.BooleanField(
        default=False, help_text="for all teams that have no own; an admin's to change"
    )


class SilenceSerializer(serializers.ModelSerializer[Row]):
    """Alerts that nobody is told about for a while."""

    team = serializers.CharField(source="team.slug")
    model = serializers.CharField(source="model.name", allow_null=True, default=None)
    created_by = serializers.CharField(source="created_by.username")
    confirmed_by = serializers.CharField(source="confirmed_by.username", allow_null=True, default=None)
    ended_by = serializers.CharField(source="ended_by.username", allow_null=True, default=None)
    asks_for_two = serializers.BooleanField(
        source="window.asks_for_two", help_text="critical alerts are silent throughout once a second person confirms"
    )

    class Meta:
        model = Row
        fields = ("id", "team", "model", "kind", "severity", "starts_at", "ends_at", "cron", "time_zone", "minutes", "reason",
                  "created_by", "created_at", "asks_for_two", "confirmed_by", "confirmed_at", "ended_by", "ended_at")  # fmt: skip


class SilenceQuery(ListQuery):
    """What silences are filtered by."""

    team = serializers.CharField(required=False, help_text="slug")
    ordering = ordering("-id")


class SilenceBody(Strict):
    """A silence to make."""

    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    model = serializers.CharField(required=False, help_text="name; left out: any")
    kind = serializers.CharField(default="", allow_blank=True, help_text="left out: any")
    severity = serializers.ChoiceField(
        choices=Alert.Severity.choices, default="", allow_blank=True, help_text="left out: any"
    )
    starts_at = serializers.DateTimeField(required=False, help_text="left out: now")
    ends_at = serializers.DateTimeField()
    cron = serializers.CharField(default="", allow_blank=True, max_length=100, help_text="recurs at these instants")
    time_zone = serializers.CharField(default="UTC", help_text="whose clocks the cron expression means")
    minutes = serializers.IntegerField(default=0, min_value=0, help_text="how long each recurrence holds")
    reason = serializers.CharField()


class AlertRules(TeamView):
    """The rules of a team."""

    query_class = RuleQuery
    pagination_class = None

    @extend_schema(summary="List alert rules", responses=AlertRuleSerializer(many=True), tags=["Alerts"])
    def get(self, request: Request) -> Response:
        """List what holds for each kind of alert, for a team's models or for one of them."""
        team = None if self.query.get("installation") else self.team(self.query.get("team"))
        model, name = None, self.query.get("model")
        if name and team:
            model = get_object_or_404(RegisteredModel.objects.live(), team=team, name=name)
        return Response(AlertRuleSerializer(_told(team, model, KINDS), many=True).data)

    @extend_schema(
        summary="Change an alert rule", request=AlertRuleBody, responses=AlertRuleSerializer, tags=["Alerts"]
    )
    def patch(self, request: Request) -> Response:
        """Change what holds for one kind of alert, with a reason. Asks for engineer, approver or admin; the installation's for admin."""
        body = self.body(AlertRuleBody)
        kind = body["kind"]
        team = None if body["installation"] else self.team(body.get("team"))
        model = find_model(self.actor, body["model"]) if body.get("model") else None
        of = {"actor": self.actor, "team": team, "kind": kind, "reason": body["reason"], "model": model}
        if body["reset"]:
            services.alert_rule_reset(**of)
        else:
            services.alert_rule_change(**of, changes=body.get("changes", {}))
        [told] = _told(team, model, [kind])
        return Response(AlertRuleSerializer(told).data)


def _told(team: Team | None, model: RegisteredModel | None, kinds: Iterable[str]) -> list[dict[str, Any]]:
    """Return what holds for each kind of alert, of a team's models or one of them, or where no team has its own."""
    book, told = rule_book([team.pk] if team else []), []
    for kind in kinds:
        known, rule = KINDS[kind], book.of(kind, team.pk if team else None, model.pk if model else None)
        changed = [name for name in rules.NAMES if getattr(rule, name) != getattr(known.rule, name)]
        told.append({
            "kind": kind, "words": known.words, "fixed": known.fixed, "of_installation": known.of_installation,
            "rule": rules.as_json(rule), "changed": changed,
        })  # fmt: skip
    return told


class Silences(TeamView):
    """The silences of the reader's teams."""

    query_class = SilenceQuery

    @extend_schema(summary="List silences", responses=SilenceSerializer(many=True), tags=["Alerts"])
    def get(self, request: Request) -> Response:
        """List silences, those that are over among them."""
        rows = Row.objects.filter(team__in=self.actor.teams())
        rows = rows.filter(team__slug=self.query["team"]) if "team" in self.query else rows
        return self.page(
            rows.select_related("team", "model", "created_by", "confirmed_by", "ended_by"), SilenceSerializer
        )

    @extend_schema(summary="Make a silence", request=SilenceBody, responses={201: SilenceSerializer}, tags=["Alerts"])
    def post(self, request: Request) -> Response:
        """Have nobody told of some alerts for a while. Asks for engineer, approver or admin."""
        body = self.body(SilenceBody)
        team, name = self.team(body.pop("team", None)), body.pop("model", None)
        model = find_model(self.actor, name) if name else None
        return Response(
            SilenceSerializer(services.silence_create(actor=self.actor, team=team, model=model, **body)).data, status=201
        )  # fmt: skip


class SilenceView(TeamView):
    """A view of one silence of the reader's teams."""

    def silence(self, pk: int) -> Row:
        """Return the silence, or 404."""
        return get_object_or_404(Row.objects.filter(team__in=self.actor.teams()), pk=pk)


class SilenceConfirm(SilenceView):
    """The second person."""

    @extend_schema(summary="Confirm a silence", request=None, responses=SilenceSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """Agree, as a second person, that critical alerts stay silent throughout."""
        return Response(SilenceSerializer(services.silence_confirm(actor=self.actor, silence=self.silence(pk))).data)


class SilenceEnd(SilenceView):
    """Ending a silence."""

    @extend_schema(summary="End a silence", request=None, responses=SilenceSerializer, tags=["Alerts"])
    def post(self, request: Request, pk: int) -> Response:
        """End a silence now; what is open and was told to nobody is told."""
        return Response(SilenceSerializer(services.silence_end(actor=self.actor, silence=self.silence(pk))).data)
