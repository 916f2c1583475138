"""HTTP/1.1 on one connection: what a request is made of, in which order answers leave, and how long anybody may take.

The parser is llhttp (of Node.js) through httptools; what it calls ambiguous is refused. There is no task, timer or
header list for a request: a connection notes which phase it is in, and one sweep over all of them enforces the limits.
docs/adr says why this is our own.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from serving.core import Answer, refusal
from serving.protocol import CONTENT_JSON, V2, Fault
from serving.settings import Settings

logger = logging.getLogger("serving")

MOST_HEAD_BYTES = 64 * 1024
MOST_IN_A_TURN = 16  # pipelined requests; then other connections have theirs
LINGER_S = 2.0  # a refused caller that still sends gets this long to read why
# Sent twice they could be understood in two ways, here and by a proxy before us. llhttp sees to Content-Length.
SINGLE = frozenset([
    b"authorization", b"content-encoding", b"content-type", b"host", b"inference-header-content-length",
    b"transfer-encoding", b"x-request-id", b"x-route-arm", b"x-route-key",
])  # fmt: skip
UPGRADING = frozenset([b"connection", b"http2-settings", b"upgrade"])
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_CLOSE = b"connection: close\r\n"
_KEEP = b"connection: keep-alive\r\n"  # what a client of HTTP/1.0 has to be told


# What a connection waits for; each has its limit.
HEAD = 0  # a request's line and headers; also before the first byte, since a silent connection is a slow one
BODY = 1
IDLE = 2  # the next request, of which nothing came yet
BUSY = 3  # us
STUCK = 4  # its caller to read
LINGER = 5  # a refused caller to notice
CLOSING = 6  # the last answer to leave


class Received(NamedTuple):
    """One whole request."""

    method: bytes
    url: bytes
    headers: dict[bytes, bytes]  # names in lower case
    body: bytes
    at: float  # seconds since the epoch
    started_ns: int  # the same, by ``time.perf_counter_ns``
    fault: Fault | None  # why it is not answered
    persistence: bytes | None  # what the answer says of the connection: nothing, or that it closes, or that it stays


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

    def __call__(self) -> "Connection":
        """Return the protocol of one accepted connection."""
        return Connection(self)

    def admit(self, connection: "Connection") -> bool:
        """Take up a connection, unless there are as many as may be."""
        if len(self.open) >= self._most:
            return False
        self.open.add(connection)
        return True

    def dismiss(self, connection: "Connection") -> None:
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


class Connection(asyncio.Protocol):
    """One connection. Answers leave in the order of their requests, one at a time."""

    __slots__ = (
        "_all", "_body", "_body_bytes", "_completed", "_head_bytes", "_headers", "_in_body", "_last_words", "_looked",
        "_parser", "_paused", "_pending", "_phase", "_stuck", "_transport", "_twice", "_url", "_waited_s", "_waiting",
    )  # fmt: skip

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._phase = HEAD
        self._waited_s = 0.0  # in this phase
        self._waiting: deque[Received] = deque()
        self._pending: asyncio.Future[Answer] | None = None
        self._last_words: Answer | None = None  # once all before it is answered
        self._completed = self._paused = self._stuck = False
        self._head_bytes = 0
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._in_body = self._looked = False
        self._twice = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a request soon."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if not self._all.admit(self):
            self._write(refusal(Fault(503, "there are too many connections"), V2), _CLOSE)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a request that was cut short is recorded."""
        self._all.dismiss(self)
        self._waiting.clear()
        if self._phase == BODY:
            self._turn_away(Fault(400, "the caller closed the connection before the body was complete"))
        self._phase = CLOSING

    # What the parser finds ----------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """Note the address; a long one comes in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header, unless it follows the body, where nobody who checked the request has seen it."""
        if self._in_body:
            return
        name = name.lower()
        if name in self._headers and name in SINGLE:
            self._twice = name
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Note that what follows is the body."""
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body while it is not too large."""
        self._body_bytes += len(body)
        if self._body_bytes <= self._all.max_body_bytes:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Line the request up."""
        self._completed = True
        body = self._body
        persistence = None
        if not self._parser.should_keep_alive():
            persistence = _CLOSE
        elif b"connection" in self._headers and self._parser.get_http_version() != "1.1":
            persistence = _KEEP
        fault = self._fault(persistence)
        self._waiting.append(
            Received(
                self._parser.get_method(), self._url, self._headers, body[0] if len(body) == 1 else b"".join(body), time.time(),
                time.perf_counter_ns(), fault, persistence if fault is None else _CLOSE,
            )
        )  # fmt: skip
        self._begin()

    def _fault(self, persistence: bytes | None) -> Fault | None:
        """Return what is wrong with a request whose form llhttp accepts."""
        headers = self._headers
        if self._body_bytes > self._all.max_body_bytes:
            return _too_large(self._all.max_body_bytes)
        if self._twice:
            return Fault(400, f"the header {self._twice.decode()} was sent twice")
        if b"host" not in headers or persistence is not None:
            version = self._parser.get_http_version()
            if version not in ("1.0", "1.1"):
                return Fault(400, "only HTTP/1.1 and HTTP/1.0 are spoken here")
            if b"host" not in headers and version == "1.1":
                return Fault(400, "the header Host is missing")
            if b"transfer-encoding" in headers and version == "1.0":
                return Fault(400, "HTTP/1.0 has no Transfer-Encoding")
        return None

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

    def _feed_on(self, data: bytes, stopped: HttpParserUpgrade | HttpParserError) -> None:
        """Go on, or say why not, where the parser stopped."""
        for _ in range(MOST_IN_A_TURN):
            if isinstance(stopped, HttpParserError):
                self._last_words = _malformed(stopped)
                return
            data = self._without_upgrade(data[stopped.args[0] :])
            if self._last_words is not None:
                return
            try:
                self._parser.feed_data(data)
                return
            except (HttpParserUpgrade, HttpParserError) as another:
                stopped = another
        self._last_words = refusal(Fault(400, "upgrades are asked for too often; only HTTP/1.1 is spoken here"), V2)

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Return what to read instead of a request that asks for another protocol, as any server may that speaks none.

        The parser stops at the end of its headers and takes its body for that other protocol.
        """
        received = self._waiting.pop()
        self._completed = bool(self._waiting)
        if received.method == b"CONNECT" or received.fault is not None:
            fault = received.fault or Fault(405, "this is no proxy", (b"allow", b"GET, HEAD, POST"))
            self._last_words = refusal(fault, V2)
            return b""
        version = self._parser.get_http_version().encode()
        self._parser = HttpRequestParser(self)
        kept = [b"%b: %b\r\n" % pair for pair in received.headers.items() if pair[0] not in UPGRADING]
        kept.append(received.persistence or b"")
        return b"%b %b HTTP/%b\r\n%b\r\n%b" % (received.method, received.url, version, b"".join(kept), rest)

    def _await(self, received: int) -> None:
        """Note what is still to come of a request that began."""
        if self._in_body:
            if self._phase != BODY:
                self._enter(BODY)
            if self._body_bytes > self._all.max_body_bytes:
                self._refuse_rest(_too_large(self._all.max_body_bytes))
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
        persistence = None if self._parser.should_keep_alive() else _CLOSE
        fault = self._fault(persistence)
        if fault is None and int(length) > self._all.max_body_bytes:
            fault = _too_large(self._all.max_body_bytes)
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
                self._parser.get_method(), self._url, self._headers, b"", time.time(), time.perf_counter_ns(), fault, _CLOSE
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
        persistence = _CLOSE if self._all.draining else received.persistence
        self._write(answer, persistence, bodiless=received.method == b"HEAD")
        if persistence is _CLOSE:
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
        self._write(answer, _CLOSE)
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


def _too_large(most: int) -> Fault:
    return Fault(413, f"the body is larger than {most} bytes")


def _malformed(error: HttpParserError) -> Answer:
    if error.__context__ is not None and not isinstance(error.__context__, HttpParserError):
        logger.error("a request could not be taken up", exc_info=error.__context__)
        return refusal(Fault(500, "the request could not be taken up; the gateway's log says more"), V2)
    return Answer(400, V2.error(400, f"this is no HTTP/1.1 request: {error}"), [CONTENT_JSON])
