"""Tokens: found by their secret, and those in force."""

import hashlib
from collections.abc import Collection
from functools import cache

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from registry.errors import InvalidError
from registry.models import ApiToken, RegisteredModel, Team
from registry.raw_rows import instance, select_list


def token_digest(secret: str) -> str:
    """Return the digest under which a token's secret is kept."""
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def token_by_secret(secret: str) -> ApiToken | None:
    """Return the live token with this secret; None if unknown, revoked, expired or its user is inactive or left.

    It brings along its user, its team, and the role held there: what every request asks for. A queryset would take longer to
    put this query together than PostgreSQL takes to answer it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_query(), [token_digest(secret)])
        row = cursor.fetchone()
    if row is None:
        return None
    values = iter(row)
    token, user, team = instance(ApiToken, values), instance(User, values), instance(Team, values)
    token.user, token.team, token.role = user, team, next(values)
    return token


@cache
def _query() -> str:
    columns = ", ".join(select_list(alias, model) for alias, model in (("t", ApiToken), ("u", User), ("m", Team)))
    return f"""
        SELECT {columns}, s.role
        FROM registry_apitoken t
        JOIN auth_user u ON u.id = t.user_id
        JOIN registry_team m ON m.id = t.team_id
        JOIN registry_membership s ON s.team_id = t.team_id AND s.user_id = t.user_id
        WHERE t.digest = %s AND t.revoked_at IS NULL AND u.is_active
          AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())"""  # noqa: S608  columns of our own models


def live_tokens() -> QuerySet[ApiToken]:
    """Return the tokens in force: neither revoked nor expired, their users active and still in the team, as ``token_by_secret`` says."""
    return (
        ApiToken.objects.filter(revoked_at__isnull=True, user__is_active=True)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
        .filter(user__memberships__team_id=F("team_id"))
    )


def models_named(team: Team, names: Collection[str]) -> list[RegisteredModel]:
    """Return the live models of ``team`` with these names.

    Raises:
        InvalidError: the team has none with one of the names.
    """
    found = list(RegisteredModel.objects.live().filter(team=team, name__in=names))
    if missing := sorted(set(names) - {model.name for model in found}):
        raise InvalidError(f"models: {team.name} has no model {missing[0]!r}.", field="models")
    return found
