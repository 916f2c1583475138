"""What comes in and what goes back: one whole request, as it was received, and its answer. All of the gateway hands these on."""

from typing import NamedTuple

from serving.protocol import CONTENT_JSON, Dialect, Fault, Headers


class Received(NamedTuple):
    """One whole request."""

    method: bytes
    url: bytes
    headers: dict[bytes, bytes]  # names in lower case
    body: bytes
    at: float  # when it arrived, seconds since the epoch
    started_ns: int  # the same, by ``time.perf_counter_ns``
    fault: Fault | None  # why it is not answered
    persistence: bytes | None  # what the answer says of the connection: nothing, or that it closes, or that it stays


class Answer(NamedTuple):
    """What goes back to the caller."""

    status: int
    body: bytes
    headers: Headers


def refusal(fault: Fault, dialect: Dialect, request_id: str = "") -> Answer:
    """Return why a request is not answered; a caller is told when to come back where waiting helps."""
    headers = [CONTENT_JSON, *fault.headers]
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if fault.status == 503 and not fault.headers:
        headers.append((b"retry-after", b"1"))
    return Answer(fault.status, dialect.error(fault.status, str(fault)), headers)
