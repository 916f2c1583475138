"""One process at a time: advisory locks of PostgreSQL, held by the connection and gone with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def alone_under(lock: int) -> Iterator[bool]:
    """Hold a lock; yields False where another has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        (held,) = cursor.fetchone()
    try:
        yield held
    finally:
        if held and connection.connection and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])
