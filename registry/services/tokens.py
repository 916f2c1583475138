"""Tokens: made by the person they stand for, shown once, revoked at once."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError, RoleError
from registry.models import ApiToken, RegisteredModel, Role, Team
from registry.selectors import token_digest

TOKEN_PREFIX_LENGTH = 10
MOST = 1_000_000


@dataclass(frozen=True)
class Bounds:
    """What a token with the scope predict may ask of the gateway.

    Attributes:
        models: what it may call; empty means all of its team.
        requests_per_s: with ``burst`` requests at once after a pause; None leaves both to the gateway's own settings.
        in_flight: requests at the same time; None likewise.
    """

    models: Collection[RegisteredModel] = ()
    requests_per_s: float | None = None
    burst: int | None = None
    in_flight: int | None = None

    @classmethod
    def of(cls, token: ApiToken) -> "Bounds":
        """Return the bounds of a token."""
        return cls(list(token.only_models.all()), token.requests_per_s, token.burst, token.in_flight)

    def limits(self) -> dict[str, float | int | None]:
        """Return the limits by the name of their field."""
        return {"requests_per_s": self.requests_per_s, "burst": self.burst, "in_flight": self.in_flight}


@audited()
def token_create(
    *, actor: Actor | None, user: User, team: Team, name: str, scopes: list[str], expires_at: datetime | None = None,
    bounds: Bounds = Bounds(), process: str = "",
) -> tuple[ApiToken, str]:  # fmt: skip
    """Make a token for ``user`` in ``team``; the secret is returned once and never kept.

    Args:
        actor: who asks; None where a process makes a token for a person, such as a training job for its creator.

    Raises:
        RoleError: one person asks for another's token, has no part in the team, or uses a token that can do less.
        InvalidError: a scope is unknown, the name is empty, or the bounds make no sense.
    """
    if actor and (actor.user != user or actor.role_in(team) is None):
        raise RoleError("A token is made by the person it stands for, in a team of theirs.")
    if not name.strip():
        raise InvalidError("name says what the token is for; it cannot be empty.", field="name")
    unknown = set(scopes) - set(ApiToken.Scope.values)
    if unknown or not scopes:
        raise InvalidError(f"scopes must be some of {', '.join(ApiToken.Scope.values)}.", field="scopes")
    _check_bounds(bounds, team=team, scopes=scopes)
    if actor and actor.token:
        _check_no_wider(actor.token, scopes=scopes, bounds=bounds)
    secret = f"cp_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        user=user, team=team, name=name.strip(), prefix=secret[:TOKEN_PREFIX_LENGTH], digest=token_digest(secret),
        scopes=sorted(scopes), expires_at=expires_at, **bounds.limits(),
    )  # fmt: skip
    token.only_models.set(bounds.models)
    asked: dict[str, object] = {name: limit for name, limit in bounds.limits().items() if limit is not None}
    if bounds.models:
        asked["models"] = sorted(model.name for model in bounds.models)
    audit(
        action="token.create", subject="/settings/", actor=actor, team=team.slug, process=process,
        payload={"token": token.prefix, "user": user.get_username(), "name": token.name, "scopes": token.scopes} | asked,
    )  # fmt: skip
    return token, secret


def _check_bounds(bounds: Bounds, *, team: Team, scopes: Collection[str]) -> None:
    if (bounds.models or any(bounds.limits().values())) and ApiToken.Scope.PREDICT not in scopes:
        raise InvalidError(
            "models and limits bound what a token asks of the gateway; give it the scope predict.", field="scopes"
        )
    if foreign := sorted(m.name for m in bounds.models if m.team_id != team.pk or m.archived_at):
        raise InvalidError(f"models: {team.name} has no model {foreign[0]}.", field="models")
    for name, limit in bounds.limits().items():
        if limit is not None and not 0 < limit <= MOST:
            raise InvalidError(f"{name} must be above 0 and at most {MOST:,}.", field=name)
    if bounds.burst and not bounds.requests_per_s:
        raise InvalidError(
            "burst goes with requests_per_s: it says how far a pause lets a caller exceed it.", field="burst"
        )


def _check_no_wider(own: ApiToken, *, scopes: Collection[str], bounds: Bounds) -> None:
    """Refuse a token that could do more than the one it is asked with.

    Raises:
        RoleError: names what is wider.
    """
    if more := set(scopes) - set(own.scopes):
        raise RoleError(f"This token lacks the scope {min(more)}, so it cannot make a token that has it.")
    if ApiToken.Scope.PREDICT not in scopes:
        return
    mine = Bounds.of(own)
    if mine.models and (not bounds.models or set(bounds.models) - set(mine.models)):
        raise RoleError(f"This token may call {', '.join(m.name for m in mine.models)} alone; name no other models.")
    for name, limit in mine.limits().items():
        wanted = bounds.limits()[name]
        if limit is not None and (wanted is None or wanted > limit):
            raise RoleError(f"{name} of this token is {limit:g}; a token made with it cannot have more.")


@audited()
def token_revoke(*, actor: Actor | None, token_id: int, process: str = "") -> ApiToken:
    """Revoke a token at once; doing it twice changes nothing.

    Raises:
        RoleError: it is another person's, and the actor is no admin of its team.
    """
    token = (
        ApiToken.objects.select_for_update(of=("self",), no_key=True).select_related("team", "user").get(pk=token_id)
    )
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


def tokens_used(used: Mapping[int, datetime]) -> None:
    """Note when tokens were last used elsewhere, by id; what is known to a minute stays as it is."""
    for token in ApiToken.objects.filter(pk__in=used):
        if token.last_used_at is None or used[token.pk] - token.last_used_at > timedelta(minutes=1):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=used[token.pk])
