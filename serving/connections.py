"""All connections of one process: how many there may be, how long each may take, and how they end."""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from serving.exchange import Answer, Received
from serving.http import BODY, CLOSING, HEAD, IDLE, LINGER, STUCK, Connection
from serving.protocol import Fault
from serving.settings import Settings

LINGER_S = 2.0  # a refused caller that still sends gets this long to read why
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Answering(Protocol):
    """Who answers requests."""

    def answer(self, received: Received) -> "Answer | asyncio.Future[Answer]":
        """Return the answer, or where it will be. Never raises."""

    def refuse_early(self, method: bytes, url: bytes, headers: dict[bytes, bytes]) -> Answer | None:
        """Return why a request is refused whose body did not come yet; None if it may come."""

    def turn_away(self, received: Received, fault: Fault) -> Answer:
        """Return the answer to a request whose body nobody will look at."""


class Connections:
    """All connections of one process; makes one for each that is accepted."""

    def __init__(self, answering: Answering, settings: Settings) -> None:
        self.answering = answering
        self.max_body_bytes = settings.max_body_bytes
        self.open: set[Connection] = set()
        self.draining = False
        self.tell: Callable[[int], None] = lambda _: None  # is told how many are left when one ends
        self.status_lines: dict[int, bytes] = {}
        self._most = settings.max_connections
        self.limits_s = {
            HEAD: settings.head_timeout_s, BODY: settings.body_timeout_s, IDLE: settings.keep_alive_s,
            STUCK: settings.body_timeout_s, LINGER: LINGER_S, CLOSING: settings.body_timeout_s,
        }  # fmt: skip
        self.sweep_every_s = max(0.02, min(1.0, min(self.limits_s.values()) / 5))
        self.date()

    def __call__(self) -> Connection:
        """Return the protocol of one accepted connection."""
        return Connection(self)

    def admit(self, connection: Connection) -> bool:
        """Take up a connection, unless there are as many as may be."""
        if len(self.open) >= self._most:
            return False
        self.open.add(connection)
        return True

    def dismiss(self, connection: Connection) -> None:
        """Forget a connection that ended."""
        self.open.discard(connection)
        self.tell(len(self.open))

    def date(self) -> None:
        """Renew what answers begin with; called at least once a second."""
        date = formatdate(usegmt=True).encode()
        self.status_lines = {
            status: b"HTTP/1.1 %d %b\r\ndate: %b\r\n" % (status, reason, date) for status, reason in _REASONS.items()
        }

    async def sweep(self) -> None:
        """End what takes too long, until cancelled."""
        dated_at = 0.0
        while True:
            await asyncio.sleep(self.sweep_every_s)
            if time.monotonic() - dated_at >= 1.0:
                self.date()
                dated_at = time.monotonic()
            for connection in list(self.open):
                connection.age(self.sweep_every_s)

    async def drain(self, seconds: float) -> None:
        """Answer what was asked, and close; what is left after ``seconds`` is cut off."""
        self.draining = True
        for connection in list(self.open):
            connection.close_if_idle()
        deadline = time.monotonic() + seconds
        while self.open and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self.open):
            connection.abort()
