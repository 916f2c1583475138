"""Acting as the schema's owner, at a shell: what weakens the rules of a whole team is not the application's to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import connections


@contextmanager
def as_owner() -> Iterator[None]:
    """Let the services called within write as the schema's owner.

    Raises:
        CommandError: this process does not know the owner's address.
    """
    if "owner" not in connections.settings:
        raise CommandError("Set DATABASE_OWNER_URL: PostgreSQL lets the schema's owner alone do this.")
    application = connections["default"]
    connections["default"] = connections["owner"]
    try:
        yield
    finally:
        connections["default"] = application
