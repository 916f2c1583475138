"""What gateways of other hosts are handed: the newest rows, at once or as soon as there are newer ones.

Who waits is woken by the transaction that publishes (NOTIFY), on the connection that the request has anyway. Each takes a thread
of the web process meanwhile, so only some may wait; the others ask again.
"""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from django.conf import settings
from django.db import connection

from rollouts.models import PublishedCallers, RoutingTable
from rollouts.routing import CHANNEL

HUNG_UP = getattr(
    select, "POLLRDHUP", select.POLLHUP
)  # Linux tells when the other side closes; others later, when both did
_seats = threading.BoundedSemaphore(max(settings.GATEWAYS_WAITING, 1))


class NoSeatError(Exception):
    """As many gateways wait here as may."""


def published_tag() -> str:
    """Return the entity tag of what is published now."""
    table = RoutingTable.objects.values_list("version", "digest").first()
    return _tag(table, PublishedCallers.objects.values_list("version", "digest").first())


def published_document() -> tuple[str, bytes]:
    """Return what is published now as JSON (``serving.contract.Published``), after its entity tag."""
    table, callers = RoutingTable.objects.first(), PublishedCallers.objects.first()
    tag = _tag(*((row.version, row.digest) if row else None for row in (table, callers)))
    return tag, msgspec.json.encode(
        {"table": table.document if table else None, "callers": callers.document if callers else None}
    )


def _tag(*parts: tuple[int, str] | None) -> str:
    """Return a tag of versions and digests: versions alone would repeat after the database went back a day."""
    told = (f"{part[0]}.{part[1].removeprefix('sha256:')[:16]}" if part else "0" for part in parts)
    return f'"{"-".join(told)}"'


def wait_for_change(tag: str, *, seconds: float, caller: socket.socket | None = None) -> bool:
    """Return True as soon as something else than ``tag`` is published, False after ``seconds`` without it.

    Args:
        caller: the connection of who asked, if it is known here: who hangs up waits no longer.

    Raises:
        NoSeatError: too many wait already.
    """
    if not _seats.acquire(blocking=False):
        raise NoSeatError
    try:
        deadline = time.monotonic() + seconds
        with _listening() as hear:
            while published_tag() == tag:
                left = deadline - time.monotonic()
                if left <= 0 or hear(left, caller):
                    return False
        return True
    finally:
        _seats.release()


@contextmanager
def _listening() -> Iterator[Callable[[float, socket.socket | None], bool]]:
    """Listen from here on: looking afterwards misses nothing. Hands out a wait for what is told."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        yield _hear
        with connection.cursor() as cursor:
            cursor.execute(f"UNLISTEN {CHANNEL}")
    except BaseException:
        connection.close()  # it may still listen, or be lost
        raise


def _hear(seconds: float, caller: socket.socket | None) -> bool:
    """Return False once PostgreSQL told this connection something, or after ``seconds``; True once the caller hung up."""
    raw, events = connection.connection, select.poll()
    events.register(raw, select.POLLIN)
    if caller:
        events.register(caller, HUNG_UP)
    heard = {descriptor for descriptor, _ in events.poll(seconds * 1000)}
    raw.poll()
    raw.notifies.clear()
    return caller is not None and caller.fileno() in heard
