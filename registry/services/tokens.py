"""Tokens: made by the person they stand for, shown once, revoked at once."""

import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError, RoleError
from registry.models import ApiToken, Role, Team
from registry.selectors import token_digest

TOKEN_PREFIX_LENGTH = 10


@audited()
def token_create(
    *, actor: Actor | None, user: User, team: Team, name: str, scopes: list[str], expires_at: datetime | None = None,
    process: str = "",
) -> tuple[ApiToken, str]:  # fmt: skip
    """Make a token for ``user`` in ``team``; the secret is returned once and never kept.

    Args:
        actor: who asks; None where a process makes a token for a person, such as a training job for its creator.

    Raises:
        RoleError: one person asks for another's token, has no part in the team, or uses a token that can do less.
        InvalidError: a scope is unknown or the name is empty.
    """
    if actor and (actor.user != user or actor.role_in(team) is None):
        raise RoleError("A token is made by the person it stands for, in a team of theirs.")
    if not name.strip():
        raise InvalidError("name says what the token is for; it cannot be empty.", field="name")
    unknown = set(scopes) - set(ApiToken.Scope.values)
    if unknown or not scopes:
        raise InvalidError(f"scopes must be some of {', '.join(ApiToken.Scope.values)}.", field="scopes")
    if actor and actor.token and (more := set(scopes) - set(actor.token.scopes)):
        raise RoleError(f"This token lacks the scope {min(more)}, so it cannot make a token that has it.")
    secret = f"cp_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        user=user, team=team, name=name.strip(), prefix=secret[:TOKEN_PREFIX_LENGTH], digest=token_digest(secret),
        scopes=sorted(scopes), expires_at=expires_at,
    )  # fmt: skip
    audit(
        action="token.create", subject="/settings/", actor=actor, team=team.slug, process=process,
        payload={"token": token.prefix, "user": user.get_username(), "name": token.name, "scopes": token.scopes},
    )  # fmt: skip
    return token, secret


@audited()
def token_revoke(*, actor: Actor | None, token_id: int, process: str = "") -> ApiToken:
    """Revoke a token at once; doing it twice changes nothing.

    Raises:
        RoleError: it is another person's, and the actor is no admin of its team.
    """
    token = ApiToken.objects.select_for_update(of=("self",)).select_related("team", "user").get(pk=token_id)
    if actor and actor.user != token.user:
        actor.require(token.team, Role.ADMIN)
    if token.revoked_at is None:
        ApiToken.objects.filter(pk=token.pk).update(revoked_at=Now())
        token.refresh_from_db()
        audit(
            action="token.revoke", subject="/settings/", actor=actor, team=token.team.slug, process=process,
            payload={"token": token.prefix, "user": token.user.get_username()},
        )  # fmt: skip
    return token


def token_use(token: ApiToken) -> None:
    """Note that the token was used; once a minute is exact enough, and spares each request a write."""
    if token.last_used_at is None or timezone.now() - token.last_used_at > timedelta(minutes=1):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
