"""Secrets of webhooks at rest: encrypted under a key that is derived from ``SECRET_KEY``."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

SALT = "registry.webhooks.sealing"


class UnreadableSecretError(Exception):
    """The secret was sealed under a key that is no longer known."""


def seal(text: str) -> str:
    """Return ``text`` encrypted; the empty text stays empty."""
    return _box().encrypt(text.encode()).decode() if text else ""


def unseal(sealed: str) -> str:
    """Return what was sealed.

    Raises:
        UnreadableSecretError: neither ``SECRET_KEY`` nor one of ``SECRET_KEY_FALLBACKS`` opens it.
    """
    if not sealed:
        return ""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise UnreadableSecretError("SECRET_KEY was changed since; give the webhook a new secret.") from None


def _box() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    derived = (salted_hmac(SALT, "", secret=key, algorithm="sha256").digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])
