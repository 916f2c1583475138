"""Who asks, by what means, and what the person's role in a team allows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils import timezone
from rest_framework.request import Request

from registry.errors import FreshLoginError, RoleError
from registry.models import ApiToken, Role, Team
from registry.policies import Policy
from registry.sessions import confirmed_at

WRITERS = (Role.ENGINEER, Role.PRODUCT, Role.APPROVER, Role.ADMIN)


@dataclass(frozen=True)
class Actor:
    """A person acting through a session, a token or a job; a token narrows the person to one team and some scopes."""

    user: User
    via: str
    token: ApiToken | None = None
    confirmed_at: datetime | None = None  # when a browser's session last saw the password; None for everything else

    def teams(self) -> QuerySet[Team]:
        """Return the teams whose objects the actor may see."""
        teams = Team.objects.filter(memberships__user=self.user)
        return teams.filter(pk=self.token.team_id) if self.token else teams

    def role_in(self, team: Team) -> Role | None:
        """Return the role held in ``team``; None where the actor has no part in it."""
        if self.token and self.token.team_id != team.pk:
            return None
        if self.token and self.token.role:  # read with the token, when the request began
            return Role(self.token.role)
        held = team.memberships.filter(user=self.user).values_list("role", flat=True).first()
        return Role(held) if held else None

    def require(self, team: Team, *roles: Role, scope: ApiToken.Scope = ApiToken.Scope.WRITE) -> Role:
        """Return the role held in ``team`` if it is one of ``roles``.

        Raises:
            Http404: the actor has no part in the team, so the object does not exist for them.
            RoleError: another role is needed, or the token lacks the scope; says which.
        """
        role = self.role_in(team)
        if role is None:
            raise Http404
        if role not in roles:
            asked = " or ".join(Role(r).label.lower() for r in roles)
            raise RoleError(
                f"This needs the role {asked} in {team.name}; yours is {role.label.lower()}.",
                unmet=[{"rule": f"the role {asked}", "who": f"a member of {team.name} with that role"}],
            )
        if self.token and scope not in self.token.scopes:
            raise RoleError(f"This token lacks the scope {scope}.")
        return role

    def require_fresh_login(self, policy: Policy) -> None:
        """See that the person gave the password lately enough to decide; a token is not a browser left open.

        Raises:
            FreshLoginError: the log-in is older than the policy allows for decisions.
        """
        if self.needs_password(policy):
            raise FreshLoginError(
                f"Decisions here ask for a log-in no older than {policy.fresh_login_minutes} minutes. Confirm your "
                "password, then decide again.",
                unmet=[{"rule": "a fresh log-in", "who": "you: confirm your password at /confirm/"}],
            )

    def needs_password(self, policy: Policy) -> bool:
        """Tell whether a decision now would be refused for an old log-in."""
        if self.confirmed_at is None or policy.fresh_login_minutes is None:
            return False
        return timezone.now() - self.confirmed_at > timedelta(minutes=policy.fresh_login_minutes)


def actor_of(request: HttpRequest | Request) -> Actor:
    """Return who makes this request; the view has already refused anonymous callers."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  narrowed by the log-in middleware
    token = getattr(request, "auth", None)
    if isinstance(token, ApiToken):
        return Actor(user, f"token:{token.prefix}", token)
    return Actor(user, "session", confirmed_at=datetime.fromtimestamp(confirmed_at(request.session), UTC))


def job_scopes(request: HttpRequest | Request) -> tuple[list[str], list[str]]:
    """Return whose jobs the caller may see, and on whose jobs the caller may act: slugs of teams (``JOBS_ACCESS``)."""
    actor = actor_of(request)
    roles = dict(actor.user.memberships.filter(team__in=actor.teams()).values_list("team__slug", "role"))
    if actor.token and ApiToken.Scope.WRITE not in actor.token.scopes:
        return list(roles), []
    return list(roles), [slug for slug, role in roles.items() if role in WRITERS]
