"""The caller's teams: members, roles, guarded aliases."""

from django.contrib.auth.models import User
from django.db.models import F
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.models import Membership, Role, Team


class TeamSerializer(serializers.ModelSerializer[Team]):
    """A team."""

    class Meta:
        model = Team
        fields = ("slug", "name", "governed", "guarded_aliases", "created_at")


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """A person's role in the team."""

    user = serializers.CharField(source="user.username")

    class Meta:
        model = Membership
        fields = ("user", "role")


class TeamsQuery(ListQuery):
    """The order of teams."""

    ordering = ordering("slug")


class MembersQuery(ListQuery):
    """The order of members."""

    ordering = ordering("username")


class TeamBody(Strict):
    """What an admin may change."""

    guarded_aliases = serializers.ListField(
        child=serializers.CharField(max_length=100), help_text="beside `champion`, which is always guarded"
    )


class MemberBody(Strict):
    """A role."""

    role = serializers.ChoiceField(choices=Role.choices)


class OneTeamView(ApiView):
    """Base of the views about one of the caller's teams."""

    def team(self, slug: str) -> Team:
        """Return the team, or 404."""
        return get_object_or_404(self.actor.teams(), slug=slug)


class Teams(ApiView):
    """The caller's teams."""

    query_class = TeamsQuery

    @extend_schema(summary="List your teams", responses=TeamSerializer(many=True), tags=["Teams"])
    def get(self, request: Request) -> Response:
        """List your teams; through a token, the token's team."""
        return self.page(self.actor.teams(), TeamSerializer)


class OneTeam(OneTeamView):
    """One team."""

    @extend_schema(summary="Get a team", responses=TeamSerializer, tags=["Teams"])
    def get(self, request: Request, slug: str) -> Response:
        """Return one of your teams."""
        return Response(TeamSerializer(self.team(slug)).data)

    @extend_schema(summary="Set guarded aliases", request=TeamBody, responses=TeamSerializer, tags=["Teams"])
    def patch(self, request: Request, slug: str) -> Response:
        """Set which aliases move by promotion or rollback alone. Asks for the role admin."""
        team = self.team(slug)
        aliases = self.body(TeamBody)["guarded_aliases"]
        return Response(TeamSerializer(services.team_guard(actor=self.actor, team=team, aliases=aliases)).data)


class Members(OneTeamView):
    """The members of a team."""

    query_class = MembersQuery

    @extend_schema(summary="List members", responses=MemberSerializer(many=True), tags=["Teams"])
    def get(self, request: Request, slug: str) -> Response:
        """List the members of a team and their roles."""
        members = self.team(slug).memberships.select_related("user").annotate(username=F("user__username"))
        return self.page(members, MemberSerializer)


class Member(OneTeamView):
    """One member."""

    @extend_schema(summary="Set a role", request=MemberBody, responses=MemberSerializer, tags=["Teams"])
    def put(self, request: Request, slug: str, username: str) -> Response:
        """Add a person to the team, or give a member another role. Asks for the role admin."""
        team = self.team(slug)
        self.actor.require(team, Role.ADMIN)  # first: others do not learn who has a user name here
        user = get_object_or_404(User, username=username, is_active=True)
        joined = services.team_join(actor=self.actor, team=team, user=user, role=Role(self.body(MemberBody)["role"]))
        return Response(MemberSerializer(joined).data)

    @extend_schema(summary="Remove a member", responses={204: None}, tags=["Teams"])
    def delete(self, request: Request, slug: str, username: str) -> Response:
        """Take a person out of the team; tokens of theirs for it stop working at once. Asks for the role admin."""
        team = self.team(slug)
        user = get_object_or_404(User, username=username, memberships__team=team)
        services.team_leave(actor=self.actor, team=team, user=user)
        return Response(status=204)
