"""Writing the audit trail: in the transaction of the change, with the head of the chain as the last lock taken."""

import json
import logging
import time
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar, cast

from django.db import OperationalError, connection, transaction

from registry.access import Actor
from registry.follow_ups import follow_up
from registry.models import AuditEvent
from registry.outages import COLLISIONS, is_collision, sqlstate
from registry.webhooks.fanout import fan_out

logger = logging.getLogger(__name__)

Service = TypeVar("Service", bound=Callable[..., Any])
_pending: ContextVar[list[AuditEvent] | None] = ContextVar("pending_audit_events", default=None)

PAUSE_S = 0.1  # before a second turn: whoever was let go on first gets the locks that were given up for it

_FLUSH_LATER = "SET LOCAL synchronous_commit TO off;"
_INSERT = """
    INSERT INTO registry_auditevent (actor, actor_id, via, team, action, subject, payload)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""


class audited(ContextDecorator):  # noqa: N801  used as a decorator
    """One transaction whose audit events are written at its end, and by the outermost block alone.

    The chain's head is one locked row, so a service that took it early would hold up every other writer, and two
    services that then lock each other's rows would deadlock. Nested services therefore only collect.

    For the same reason the head is not held while the disk is waited for: the commit makes the change seen at once, and its caller
    hears of it after the flush, which writers that wait at the same time share. See ADR 0009.

    Args:
        again: run the service once more where PostgreSQL ended its transaction to let another one go on; for services that read
            all they change under their own locks, so that nothing of the first turn is left.
    """

    def __init__(self, *, again: bool = False) -> None:
        self._again = again

    def __call__(self, service: Service) -> Service:
        """Wrap a service."""
        once = super().__call__(service)
        if not self._again:
            return once

        @wraps(service)
        def twice(*args: Any, **kwargs: Any) -> Any:
            try:
                return once(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not is_collision(error):
                    raise
                logger.warning("%s is run again after a %s.", service.__name__, COLLISIONS[sqlstate(error)])
            time.sleep(PAUSE_S)
            return once(*args, **kwargs)

        return cast("Service", twice)

    def __enter__(self) -> None:
        """Begin a transaction (nested: a savepoint)."""
        self._commits = not transaction.get_connection().in_atomic_block
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        events = _pending.get()
        self._token = _pending.set([]) if events is None else None
        self._mark = len(events or [])

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what was collected and commit; after an error, or where the block is to be undone, forget it and roll back."""
        events = _collected()
        try:
            if kind is not None or transaction.get_rollback():
                del events[self._mark :]
            elif self._token:
                _write(events, flush_later=self._commits)
        except BaseException as failed:
            kind, exc, trace = type(failed), failed, failed.__traceback__
            raise
        finally:
            if self._token:
                _pending.reset(self._token)
            self._atomic.__exit__(kind, exc, trace)
        if self._commits and events and kind is None:
            _flush()

    def _recreate_cm(self) -> "audited":
        return audited()


def audit(
    *, action: str, subject: str, actor: Actor | None, team: str = "", payload: dict[str, Any] | None = None,
    process: str = "",
) -> None:  # fmt: skip
    """Record one event; sequence, time and hashes are set by the database.

    Args:
        action: stable dotted name, such as ``promotion.approve``.
        subject: path of the page that shows the subject, such as ``/promotions/3/``.
        actor: the person; None where a process acts by itself.
        team: slug of the team that owns the subject.
        payload: what changed, as JSON: before, after, reason.
        process: who acts where there is no person, such as ``gateway``.
    """
    event = AuditEvent(
        actor=actor.user.get_username() if actor else process,
        actor_id=actor.user.pk if actor else None,
        via=actor.via if actor else "process",
        team=team,
        action=action,
        subject=subject,
        payload=payload or {},
    )
    pending = _pending.get()
    if pending is not None:  # no block of its own: the savepoint would cost every change two round trips
        pending.append(event)
        return
    with audited():
        _collected().append(event)


def _collected() -> list[AuditEvent]:
    events = _pending.get()
    assert events is not None  # noqa: S101  set within every audited block
    return events


def _write(events: list[AuditEvent], *, flush_later: bool) -> None:
    fan_out(events)  # before the chain's head is locked
    follow_up(events)
    with connection.cursor() as cursor:
        for number, event in enumerate(events):  # one by one: the trigger hands each its place in the chain
            payload = json.dumps(event.payload)
            cursor.execute(
                _FLUSH_LATER + _INSERT if flush_later and not number else _INSERT,
                [event.actor, event.actor_id, event.via, event.team, event.action, event.subject, payload],
            )


def _flush() -> None:
    """Return once all that was committed so far is on disk, and with synchronous standbys where there are any.

    A transaction that says something and is itself committed synchronously: its flush covers whatever came before it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'audit', '')")
