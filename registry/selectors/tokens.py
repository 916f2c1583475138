"""Tokens, found by their secret."""

import hashlib

from django.db.models import F, Q
from django.db.models.functions import Now

from registry.models import ApiToken


def token_digest(secret: str) -> str:
    """Return the digest under which a token's secret is kept."""
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def token_by_secret(secret: str) -> ApiToken | None:
    """Return the live token with this secret; None if unknown, revoked, expired or its user is inactive or left."""
    return (
        ApiToken.objects.select_related("user", "team")
        .filter(digest=token_digest(secret), revoked_at__isnull=True, user__is_active=True)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
        .filter(user__memberships__team_id=F("team_id"))
        .first()
    )
