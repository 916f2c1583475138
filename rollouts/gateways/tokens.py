"""What gateways of other hosts show to the control plane: made and revoked by whoever runs the installation."""

import secrets
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.selectors import token_digest
from rollouts.models import GatewayToken

PREFIX_LENGTH = 10
SUBJECT = "/gateways/"
USE_NOTED_EVERY = timedelta(minutes=1)


@audited()
def gateway_token_create(*, name: str, process: str) -> tuple[GatewayToken, str]:
    """Make a token for the gateways of one host; the secret is returned once and never kept.

    Raises:
        InvalidError: the name is empty or too long.
        ConflictError: a token of this name is in force.
    """
    if not 0 < len(name.strip()) <= 100:
        raise InvalidError("name says which gateways use the token, in 1 to 100 characters.", field="name")
    if GatewayToken.objects.filter(name=name.strip(), revoked_at__isnull=True).exists():
        raise ConflictError(f"A token named {name.strip()} is in force. Revoke it, or choose another name.")
    secret = f"gw_{secrets.token_urlsafe(32)}"
    token = GatewayToken.objects.create(
        name=name.strip(), prefix=secret[:PREFIX_LENGTH], digest=token_digest(secret)
    )  # fmt: skip
    audit(
        action="gateway_token.create", subject=SUBJECT, actor=None, process=process,
        payload={"token": token.prefix, "name": token.name},
    )  # fmt: skip
    return token, secret


@audited()
def gateway_token_revoke(*, name: str, process: str) -> None:
    """Revoke the token of this name at once; its gateways go on with the last table and say how old it is.

    Raises:
        InvalidError: no token of this name is in force.
    """
    token = GatewayToken.objects.select_for_update(no_key=True).filter(name=name, revoked_at__isnull=True).first()
    if token is None:
        raise InvalidError(f"No token named {name} is in force.", field="name")
    GatewayToken.objects.filter(pk=token.pk).update(revoked_at=Now())
    audit(
        action="gateway_token.revoke", subject=SUBJECT, actor=None, process=process,
        payload={"token": token.prefix, "name": token.name},
    )  # fmt: skip


def gateway_token_by_secret(secret: str) -> GatewayToken | None:
    """Return the token in force with this secret, and note that it was used; once a minute is exact enough."""
    token = GatewayToken.objects.filter(digest=token_digest(secret), revoked_at__isnull=True).first()
    if token and (token.last_used_at is None or timezone.now() - token.last_used_at > USE_NOTED_EVERY):
        GatewayToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    return token
