"""What comes in on one connection of HTTP/1.1, request by request: the parser's findings, and what is wrong with them.

The parser is llhttp (of Node.js) through httptools; what it calls ambiguous is refused.
"""

import logging
import time
from collections import deque

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from serving.exchange import Answer, Received, refusal
from serving.protocol import CONTENT_JSON, V2, Fault

logger = logging.getLogger("serving")

MOST_IN_A_TURN = 16  # pipelined requests; then other connections have theirs
# Sent twice they could be understood in two ways, here and by a proxy before us. llhttp sees to Content-Length.
SINGLE = frozenset([
    b"authorization", b"content-encoding", b"content-type", b"host", b"inference-header-content-length",
    b"transfer-encoding", b"x-request-id", b"x-route-arm", b"x-route-key",
])  # fmt: skip
UPGRADING = frozenset([b"connection", b"http2-settings", b"upgrade"])
CLOSE = b"connection: close\r\n"
KEEP = b"connection: keep-alive\r\n"  # what a client of HTTP/1.0 has to be told


class Receiver:
    """The requests of one connection, as its parser finds them. Whole ones wait in ``_waiting``."""

    __slots__ = (
        "_body", "_body_bytes", "_completed", "_headers", "_in_body", "_last_words", "_looked", "_most_bytes", "_parser",
        "_twice", "_url", "_waiting",
    )  # fmt: skip

    def __init__(self, most_bytes: int) -> None:
        """Expect a request.

        Args:
            most_bytes: that a body may have.
        """
        self._most_bytes = most_bytes
        self._parser = HttpRequestParser(self)
        self._waiting: deque[Received] = deque()
        self._last_words: Answer | None = None  # once all before it is answered
        self._completed = False  # since somebody looked
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._in_body = self._looked = False
        self._twice = b""

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
        if self._body_bytes <= self._most_bytes:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Line the request up."""
        self._completed = True
        body = self._body
        persistence = None
        if not self._parser.should_keep_alive():
            persistence = CLOSE
        elif b"connection" in self._headers and self._parser.get_http_version() != "1.1":
            persistence = KEEP
        fault = self._fault(persistence)
        self._waiting.append(
            Received(
                self._parser.get_method(), self._url, self._headers, body[0] if len(body) == 1 else b"".join(body), time.time(),
                time.perf_counter_ns(), fault, persistence if fault is None else CLOSE,
            )
        )  # fmt: skip
        self._begin()

    def _fault(self, persistence: bytes | None) -> Fault | None:
        """Return what is wrong with a request whose form llhttp accepts."""
        headers = self._headers
        if self._body_bytes > self._most_bytes:
            return too_large(self._most_bytes)
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


def too_large(most: int) -> Fault:
    """Return the refusal of a body."""
    return Fault(413, f"the body is larger than {most} bytes")


def _malformed(error: HttpParserError) -> Answer:
    if error.__context__ is not None and not isinstance(error.__context__, HttpParserError):
        logger.error("a request could not be taken up", exc_info=error.__context__)
        return refusal(Fault(500, "the request could not be taken up; the gateway's log says more"), V2)
    return Answer(400, V2.error(400, f"this is no HTTP/1.1 request: {error}"), [CONTENT_JSON])
