"""The HTTP/1.1 protocol of one connection: uvicorn's, with bounds on how slowly and how largely a request may begin."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.protocol import V2

MOST_HEAD_BYTES = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):  # type: ignore[misc]  # uvicorn's types are not looked at
    """Closes connections whose request line and headers take too long or too much room.

    Attributes:
        head_timeout_s: set once by the process, before it serves.
    """

    head_timeout_s = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True  # also before the first byte: a silent connection is a slow one
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Expect a request soon."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.head_timeout_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that its headers are complete."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read on; a head that stays incomplete is timed and measured."""
        super().data_received(data)
        if not self._in_head:
            self._head_bytes = 0
            if self._deadline is not None:
                self._disarm()
        elif not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._end(431, f"the request's headers are larger than {MOST_HEAD_BYTES} bytes")
            elif self._deadline is None:
                self._deadline = self.loop.call_later(self.head_timeout_s, self._too_slow)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the words of everything else here."""
        self._end(400, msg)

    def _too_slow(self) -> None:
        self._end(408, f"no complete request within {self.head_timeout_s:g} seconds")

    def _end(self, status: int, message: str) -> None:
        """Close the connection; say why, unless an answer is under way that this would be taken for."""
        self._disarm()
        cycle = self.cycle
        unanswered = cycle is not None and cycle.more_body and not cycle.response_started and not self.pipeline
        if cycle is None or cycle.response_complete or unanswered:
            body = V2.error(status, message)
            self.transport.write(
                STATUS_LINE[status] + b"content-type: application/json\r\nconnection: close\r\ncontent-length: "
                + str(len(body)).encode() + b"\r\n\r\n" + body
            )  # fmt: skip
        self.transport.close()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
