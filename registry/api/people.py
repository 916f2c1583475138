"""Who asks, what waits for them, and their tokens."""

from typing import Any

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import selectors, services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.models import TeamView
from registry.api.serializers.promotions import PromotionSerializer
from registry.api.serializers.tokens import TokenSerializer
from registry.errors import ConflictError, FreshLoginError
from registry.models import ApiToken, Membership, Role
from registry.sessions import confirm


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    """A role in a team."""

    slug = serializers.CharField(source="team.slug")
    name = serializers.CharField(source="team.name")

    class Meta:
        model = Membership
        fields = ("slug", "name", "role")


class MeSerializer(serializers.Serializer[Any]):
    """The caller."""

    user = serializers.CharField()
    via = serializers.CharField(help_text="`session`, or `token:` and the token's prefix")
    team = serializers.CharField(allow_null=True, help_text="slug, where there is only one")
    role = serializers.ChoiceField(choices=Role.choices, allow_null=True, help_text="in that team")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiToken.Scope.choices))
    teams = MembershipSerializer(many=True)


class Me(ApiView):
    """The caller."""

    @extend_schema(summary="Who am I", responses=MeSerializer, tags=["You"])
    def get(self, request: Request) -> Response:
        """Return who you are to this server: user, teams, roles and scopes. A session has every scope."""
        actor = self.actor
        memberships = actor.user.memberships.filter(team__in=actor.teams()).select_related("team").order_by("team")
        only = memberships[0] if len(memberships) == 1 else None
        me = {
            "user": actor.user.get_username(),
            "via": actor.via,
            "team": only.team.slug if only else None,
            "role": only.role if only else None,
            "scopes": actor.token.scopes if actor.token else ApiToken.Scope.values,
            "teams": memberships,
        }
        return Response(MeSerializer(me).data)


class ConfirmBody(Strict):
    """The own password."""

    password = serializers.CharField(trim_whitespace=False)


class SessionConfirm(ApiView):
    """Confirming the password before a decision."""

    @extend_schema(summary="Confirm your password", request=ConfirmBody, responses={204: None}, tags=["You"])
    def post(self, request: Request) -> Response:
        """Give the password again, where a policy asks for a fresh log-in before decisions. For sessions alone."""
        if self.actor.token:
            raise ConflictError("A token has no session to confirm; policies ask nothing of it.")
        attempt = services.login_attempt(
            username=self.actor.user.get_username(), password=self.body(ConfirmBody)["password"],
            address=request.META.get("REMOTE_ADDR", ""), now=timezone.now(),
        )  # fmt: skip
        if attempt.user is None:
            raise FreshLoginError("The password does not match.")
        confirm(request._request.session)
        return Response(status=204)


class ItemSerializer(serializers.Serializer[Any]):
    """What is asked, of which model, since when."""

    verb = serializers.CharField()
    title = serializers.CharField()
    why = serializers.CharField()
    note = serializers.CharField()
    model = serializers.CharField(source="model.name", allow_null=True, default=None)
    risk_tier = serializers.IntegerField(source="model.risk_tier", allow_null=True, default=None)
    path = serializers.CharField(help_text="the page where it is done")
    since = serializers.DateTimeField()
    due = serializers.DateTimeField(allow_null=True)


class InboxSerializer(serializers.Serializer[Any]):
    """The three parts of the inbox."""

    waiting = ItemSerializer(many=True, help_text="on you, oldest first")
    in_flight = ItemSerializer(many=True, help_text="asked for by you")
    last_decisions = PromotionSerializer(many=True, help_text="in your teams")


class Inbox(ApiView):
    """The caller's inbox."""

    @extend_schema(summary="Get your inbox", responses=InboxSerializer, tags=["You"])
    def get(self, request: Request) -> Response:
        """Return what waits for your decision, what you have in flight, and the last decisions."""
        parts = {
            "waiting": selectors.waiting(self.actor),
            "in_flight": selectors.in_flight(self.actor),
            "last_decisions": selectors.last_decisions(self.actor),
        }
        return Response(InboxSerializer(parts).data)


class TokenQuery(ListQuery):
    """The order of tokens."""

    ordering = ordering("-id")


class TokenBody(Strict):
    """A new token."""

    name = serializers.CharField(max_length=100, help_text="what it is for")
    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiToken.Scope.choices), allow_empty=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    models = serializers.ListField(
        child=serializers.CharField(), required=False, max_length=100,
        help_text="what it may call with the scope predict; left out: every model of the team",
    )  # fmt: skip
    requests_per_s = serializers.FloatField(
        required=False, allow_null=True, help_text="at the gateway; left out: what the gateway allows"
    )
    burst = serializers.IntegerField(required=False, allow_null=True, help_text="requests at once after a pause")
    in_flight = serializers.IntegerField(required=False, allow_null=True, help_text="requests at the same time")


class NewTokenSerializer(TokenSerializer):
    """A token with its secret."""

    secret = serializers.CharField(required=False, help_text="shown this once; a replayed answer leaves it out")

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "secret")

    def to_representation(self, token: ApiToken) -> dict[str, Any]:
        """Add the secret, which the view alone knows."""
        return super().to_representation(token) | {"secret": self.context["secret"]}


class Tokens(TeamView):
    """The tokens that the caller may revoke."""

    query_class = TokenQuery

    @extend_schema(summary="List tokens", responses=TokenSerializer(many=True), tags=["Tokens"])
    def get(self, request: Request) -> Response:
        """List your tokens, and those of the teams you administer. Secrets are not kept."""
        return self.page(_tokens(self), TokenSerializer)

    @extend_schema(
        summary="Create a token", request=TokenBody, responses={201: NewTokenSerializer}, tags=["Tokens"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Create a token of yours for one team. Through a token: no scope that the token itself lacks."""
        values = self.body(TokenBody)
        team = self.team(values.pop("team", None))
        bounds = services.Bounds(
            selectors.models_named(team, values.pop("models", [])),
            *(values.pop(limit, None) for limit in ("requests_per_s", "burst", "in_flight")),
        )
        token, secret = services.token_create(
            actor=self.actor, user=self.actor.user, team=team, bounds=bounds, **values
        )
        return Response(NewTokenSerializer(token, context={"secret": secret}).data, status=201)


class Token(ApiView):
    """One token."""

    @extend_schema(summary="Revoke a token", responses={204: None}, tags=["Tokens"])
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke a token at once; doing it twice changes nothing."""
        services.token_revoke(actor=self.actor, token_id=get_object_or_404(_tokens(self), pk=pk).pk)
        return Response(status=204)


def _tokens(view: ApiView) -> QuerySet[ApiToken]:
    actor = view.actor
    administered = actor.user.memberships.filter(role=Role.ADMIN).values("team")
    mine = Q(user=actor.user) | Q(team__in=administered)
    return (
        ApiToken.objects.filter(mine, team__in=actor.teams())
        .select_related("user", "team")
        .prefetch_related("only_models")
    )
