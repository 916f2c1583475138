"""One POST to a receiver: to the address that was checked, within bounds of time and bytes, and nowhere else.

No proxy, no redirect, and no look at the answer's body: a webhook tells something, it does not fetch.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache

from jobs.senders import Answer
from registry.webhooks.addresses import (
    DEFAULT_PORTS,
    ForbiddenAddressError,
    Target,
    check_peer,
    is_vouched_for,
    places_of,
)

CONNECT_S = 5.0
WHOLE_S = 15.0  # from the connection to the end of the answer's headers
AGENT = "control-plane-webhooks/1"
GONE = 410


def post(target: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send ``body`` and return how the receiver answered: 2xx is taken, 410 is final, everything else is a failure."""
    try:
        return _exchange(_connect(target), target, body, headers)
    except ForbiddenAddressError as error:
        return Answer(ok=False, error=str(error))
    except ssl.SSLError as error:
        return Answer(ok=False, error=f"TLS failed: {error.reason or error}")
    except TimeoutError:
        return Answer(ok=False, error=f"No answer within {WHOLE_S:.0f} seconds.")
    except (OSError, UnicodeError) as error:
        return Answer(ok=False, error=f"No connection: {getattr(error, 'strerror', None) or error}.")
    except http.client.HTTPException as error:
        return Answer(ok=False, error=f"The answer is no HTTP: {type(error).__name__}.")


def _connect(target: Target) -> socket.socket:
    """Return a connection to one of the places the host leads to, checked before and after it was made."""
    refused: OSError = OSError("the name leads nowhere")
    for family, place in places_of(target.host, target.port):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_S)
            connection.connect(place)
            if not is_vouched_for(target.host):
                check_peer(connection.getpeername()[0])
            return connection
        except OSError as error:
            connection.close()
            refused = error
        except ForbiddenAddressError:
            connection.close()
            raise
    raise refused


@lru_cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _exchange(connection: socket.socket, target: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
    def cut() -> None:
        timed_out.set()
        with suppress(OSError, AttributeError):  # it ended at this very moment
            client.sock.shutdown(socket.SHUT_RDWR)

    # A timeout of the socket holds for each byte; whoever sends one now and then would keep us for ever.
    timed_out, watch = threading.Event(), threading.Timer(WHOLE_S, cut)
    client = http.client.HTTPConnection(target.host, target.port)
    client.default_port = DEFAULT_PORTS["https" if target.tls else "http"]  # decides whether Host names the port
    client.sock = connection
    client.sock.settimeout(WHOLE_S)
    watch.daemon = True
    watch.start()
    try:
        if target.tls:
            client.sock = secured = _trust().wrap_socket(
                connection, server_hostname=target.host, do_handshake_on_connect=False
            )
            secured.do_handshake()
        client.request("POST", target.path, body, {"User-Agent": AGENT, **headers})
        answer = client.getresponse()
    except (OSError, http.client.HTTPException):
        if not timed_out.is_set():
            raise
    finally:
        watch.cancel()
        client.close()
    if timed_out.is_set():  # also where an answer that was cut off reads like a whole one
        raise TimeoutError
    ok = 200 <= answer.status < 300
    error = "" if ok else f"It answered {answer.status}."
    if 300 <= answer.status < 400:
        error = f"It answered {answer.status}; redirects are not followed."
    return Answer(ok, answer.status, error, wait_s=_retry_after(answer), final=answer.status == GONE)


def _retry_after(answer: http.client.HTTPResponse) -> float:
    asked = answer.getheader("Retry-After", "").strip()
    return float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0.0
