"""HTTP/1.1 on one connection: in which order answers leave; ``serving.received`` reads requests.

There is no task, timer or header list for a request: a connection notes which phase it is in, and one sweep over all of
them (``serving.connections``) enforces the limits. docs/adr says why this is our own.
"""

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpParserUpgrade

from serving.exchange import Answer, Received, refusal
from serving.protocol import V2, Fault
from serving.received import CLOSE, MOST_IN_A_TURN, Receiver, too_large

if TYPE_CHECKING:
    from serving.connections import Connections

MOST_HEAD_BYTES = 64 * 1024

# What a connection waits for; each has its limit.
HEAD = 0  # a request's line and headers; also before the first byte, since a silent connection is a slow one
BODY = 1
IDLE = 2  # the next request, of which nothing came yet
BUSY = 3  # us
STUCK = 4  # its caller to read
LINGER = 5  # a refused caller to notice
CLOSING = 6  # the last answer to leave


class Connection(Receiver, asyncio.Protocol):
    """One connection. Answers leave in the order of their requests, one at a time."""

    __slots__ = ("_all", "_head_bytes", "_paused", "_pending", "_phase", "_stuck", "_transport", "_waited_s")

    def __init__(self, connections: "Connections") -> None:
        super().__init__(connections.max_body_bytes)
        self._all = connections
        self._transport: asyncio.Transport
        self._phase = HEAD
        self._waited_s = 0.0  # in this phase
        self._pending: asyncio.Future[Answer] | None = None
        self._paused = self._stuck = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a request soon."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if not self._all.admit(self):
            self._write(refusal(Fault(503, "there are too many connections"), V2), CLOSE)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a request that was cut short is recorded."""
        self._all.dismiss(self)
        self._waiting.clear()
        if self._phase == BODY:
            self._turn_away(Fault(400, "the caller closed the connection before the body was complete"))
        self._phase = CLOSING

    # What the transport brings ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read on and answer what is whole."""
        if self._phase >= LINGER:
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserUpgrade, HttpParserError) as stopped:
            self._feed_on(data, stopped)
        if self._completed:
            self._completed = False
            self._phase = BODY if self._in_body else IDLE
            self._waited_s = 0.0
            self._head_bytes = 0
            self._work()
        elif self._last_words is not None:
            self._work()
        else:
            self._await(len(data))
        if self._in_body and not self._looked and self._phase == BODY and not self._waiting:
            self._look_early()

    def _await(self, received: int) -> None:
        """Note what is still to come of a request that began."""
        if self._in_body:
            if self._phase != BODY:
                self._enter(BODY)
            if self._body_bytes > self._most_bytes:
                self._refuse_rest(too_large(self._most_bytes))
            return
        if self._phase != HEAD:
            self._enter(HEAD)
        self._head_bytes += received
        if self._head_bytes > MOST_HEAD_BYTES:
            self._end(refusal(Fault(431, f"the request's headers are larger than {MOST_HEAD_BYTES} bytes"), V2))

    def _enter(self, phase: int) -> None:
        self._phase = phase
        self._waited_s = 0.0

    def _look_early(self) -> None:
        """Refuse a request before its body comes where that can be known; else tell a caller that asks to go on."""
        self._looked = True
        headers = self._headers
        length = headers.get(b"content-length", b"0")
        persistence = None if self._parser.should_keep_alive() else CLOSE
        fault = self._fault(persistence)
        if fault is None and int(length) > self._most_bytes:
            fault = too_large(self._most_bytes)
        answer = self._all.answering.refuse_early(self._parser.get_method(), self._url, headers)
        if answer is None and fault is not None:
            self._refuse_rest(fault)
        elif answer is not None:
            self._end(answer)
        elif headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse_rest(self, fault: Fault) -> None:
        self._end(self._turn_away(fault))

    def _turn_away(self, fault: Fault) -> Answer:
        return self._all.answering.turn_away(
            Received(
                self._parser.get_method(), self._url, self._headers, b"", time.time(), time.perf_counter_ns(), fault, CLOSE
            ),
            fault,
        )  # fmt: skip

    # Answers ------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Answer what waits, as far as that goes now."""
        waiting = self._waiting
        for _ in range(MOST_IN_A_TURN):
            if not waiting or self._pending is not None or self._stuck:
                break
            received = waiting.popleft()
            if received.fault is not None:
                answer: Answer | asyncio.Future[Answer] = self._all.answering.turn_away(received, received.fault)
            else:
                answer = self._all.answering.answer(received)
            if type(answer) is Answer:
                self._send(received, answer)
                continue
            assert not isinstance(answer, Answer)  # noqa: S101
            self._pending = answer
            answer.add_done_callback(partial(self._answered, received))
        if self._phase >= LINGER:
            return
        if waiting or self._pending is not None or self._stuck:
            self._hold()
        elif self._last_words is not None:
            self._end(self._last_words)
        elif self._paused:
            self._paused = False
            self._enter(BODY if self._in_body else IDLE)
            self._transport.resume_reading()
            if self._in_body and not self._looked:
                self._look_early()

    def _hold(self) -> None:
        """Read no further until what is there is answered."""
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._enter(STUCK if self._stuck else BUSY)
        if self._pending is None and not self._stuck:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._phase < LINGER:
            self._work()

    def _answered(self, received: Received, done: "asyncio.Future[Answer]") -> None:
        self._pending = None
        if self._phase >= LINGER or self._transport.is_closing():
            return
        self._send(received, done.result())
        self._work()

    def _send(self, received: Received, answer: Answer) -> None:
        persistence = CLOSE if self._all.draining else received.persistence
        self._write(answer, persistence, bodiless=received.method == b"HEAD")
        if persistence is CLOSE:
            self._waiting.clear()
            self._close()

    def _close(self) -> None:
        self._enter(CLOSING)
        self._transport.close()

    def _write(self, answer: Answer, persistence: bytes | None, *, bodiless: bool = False) -> None:
        status, body, headers = answer
        head = self._all.status_lines[status]
        for name, value in headers:
            head += b"%b: %b\r\n" % (name, value)
        if persistence is not None:
            head += persistence
        head += b"content-length: %d\r\n\r\n" % len(body)
        self._transport.write(head if bodiless else head + body)

    def _end(self, answer: Answer) -> None:
        """Say why nothing more is read here. The caller may still be sending, and would lose the answer if we just closed."""
        self._write(answer, CLOSE)
        self._waiting.clear()
        if self._paused:
            self._close()
        else:
            self._enter(LINGER)
            self._transport.write_eof()

    # Limits -------------------------------------------------------------------------------------------------------

    def eof_received(self) -> bool:
        """Close, unless an answer is still to be given to a caller that half-closed."""
        return self._phase in (BUSY, STUCK)

    def pause_writing(self) -> None:
        """Answer nothing more until the caller reads."""
        self._stuck = True
        if self._phase < LINGER:
            self._hold()

    def resume_writing(self) -> None:
        """Go on."""
        self._stuck = False
        if self._phase < LINGER:
            self._work()

    def age(self, seconds: float) -> None:
        """Note that time has passed; end what takes too long."""
        self._waited_s += seconds
        limits = self._all.limits_s
        if self._phase == BUSY or self._waited_s < limits[self._phase]:
            return
        if self._phase == HEAD:
            self._end(refusal(Fault(408, f"no complete request within {limits[HEAD]:g} seconds"), V2))
        elif self._phase == BODY:
            self._refuse_rest(Fault(408, f"the body was not complete after {limits[BODY]:g} seconds"))
        elif self._phase == IDLE:
            self._close()
        else:
            self._transport.abort()

    def close_if_idle(self) -> None:
        """Close where nothing was asked that is not answered."""
        if self._phase == IDLE or (self._phase == HEAD and not self._head_bytes):
            self._close()

    def abort(self) -> None:
        """Cut the connection off."""
        self._transport.abort()
