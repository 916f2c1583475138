"""Bearer tokens for the API and for MLflow's protocol."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from registry import selectors, services
from registry.models import ApiToken


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`; ``request.auth`` is the :class:`ApiToken`."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token's user and the token, or None where no bearer token was sent."""
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = selectors.token_by_secret(secret.strip())
        if token is None:
            raise AuthenticationFailed("The token is unknown, expired or revoked. Create one under Settings, Tokens.")
        services.token_use(token)
        return token.user, token

    def authenticate_header(self, request: Any) -> str:
        """Ask for a bearer token, so that an anonymous call is 401 and not 403."""
        return 'Bearer realm="control plane"'
