"""Follows the control plane from another host: what it publishes is written to this disk, where all else looks for it.

One process of a host asks at a time, whoever holds the lock beside the table. It asks to be held until there is something new;
where that fails it asks again, later and later, and everything goes on with what lies on disk.
"""

import fcntl
import http.client
import logging
import os
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from serving.contract import (
    LONGEST_WAIT_S,
    PUBLISHED_PATH,
    STATES_PATH,
    GatewayState,
    Published,
    Report,
    RoutingTableError,
    callers_path,
    check_table,
    confirm_table,
    gateway_states,
    read_callers,
    read_table,
    write_callers,
    write_table,
)
from serving.settings import Settings

logger = logging.getLogger("serving")

ANSWER_S = 10.0  # for an answer to come, beside the time asked to be held
MOST_BYTES = 256 * 1024 * 1024  # of an answer, unpacked
PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0  # after one failure; doubled with each further one
LOCK_EVERY_S = 1.0
REPORT_EVERY_S, LOOK_EVERY_S = 5.0, 1.0  # a report, and a look whether there is something else to report

Kept = TypeVar("Kept")


class UpstreamError(Exception):
    """The control plane did not answer as agreed; says how."""


class Reply(NamedTuple):
    """What was answered."""

    status: int
    tag: str
    retry_after_s: float
    body: bytes


class Upstream:
    """The control plane at ``routing_url``, over one connection that is kept."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.routing_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.netloc)
        self._base = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {settings.routing_token}", "Accept-Encoding": "gzip"}

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, headers: Mapping[str, str] = MappingProxyType({}),
        within_s: float = ANSWER_S,
    ) -> Reply:  # fmt: skip
        """Return the answer to one request.

        Raises:
            UpstreamError: there is none, or one that means nothing here: a redirect, a refusal, too many bytes.
        """
        connection = self._connection
        try:
            connection.timeout = within_s
            if connection.sock:
                connection.sock.settimeout(within_s)
            connection.request(method, self._base + path, body, {**self._headers, **headers})
            with connection.getresponse() as response:
                data = _unpacked(response)
                if response.status not in (200, 204, 304):
                    raise UpstreamError(
                        f"{method} {path} was answered {response.status}: {data[:500].decode('utf-8', 'replace')}"
                    )
                return Reply(
                    response.status, response.headers.get("ETag", ""), _seconds(response.headers.get("Retry-After")), data
                )  # fmt: skip
        except (OSError, http.client.HTTPException, zlib.error) as error:
            connection.close()
            raise UpstreamError(f"{method} {path}: {error or type(error).__name__}") from error
        except UpstreamError:
            connection.close()
            raise


class Follower:
    """Keeps what lies at ``routing_table_path`` as the control plane publishes it; runs in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.routing_table_path
        self._stopping = threading.Event()
        self._taken = False

    def start(self) -> None:
        """Begin; whoever started this process ends it by ending the process, or by ``stop``."""
        threading.Thread(target=self._run, name="follower", daemon=True).start()

    def stop(self) -> None:
        """Write nothing more."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with _only_one(self._path.with_suffix(".follower")) as alone:
                if alone:
                    threading.Thread(target=self._report, name="reporter", daemon=True).start()
                    self._follow()
            self._stopping.wait(LOCK_EVERY_S)

    def _follow(self) -> None:
        upstream, tag, failures = Upstream(self._settings), "", 0
        while not self._stopping.is_set():
            wait = 0 if failures else LONGEST_WAIT_S  # what is there now comes first
            if self._taken and not self._path.exists():
                tag = ""  # somebody took the file away
            try:
                reply = upstream.ask(
                    "GET", f"{PUBLISHED_PATH}?wait={wait}", headers={"If-None-Match": tag} if tag else {}, within_s=wait + ANSWER_S
                )  # fmt: skip
                self.take(reply)
            except (UpstreamError, OSError, msgspec.DecodeError, RoutingTableError) as error:
                failures += 1
                pause = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** (failures - 1))
                logger.warning("what the control plane publishes was not taken up: %s", error)
                self._stopping.wait(pause * random.uniform(0.5, 1))  # noqa: S311  hosts that fail together come back apart
                continue
            tag, failures = reply.tag, 0
            self._stopping.wait(reply.retry_after_s * random.uniform(0.5, 1))  # noqa: S311

    def _report(self) -> None:
        """Tell the control plane what the gateways of this host serve, as it reads it from the spool on its own host."""
        upstream, told, told_at = Upstream(self._settings), list[GatewayState](), 0.0
        while not self._stopping.wait(LOOK_EVERY_S):
            states = gateway_states(self._settings.spool_root, now=time.time())
            if states == told and time.monotonic() - told_at < REPORT_EVERY_S:
                continue
            try:
                upstream.ask(
                    "POST",
                    STATES_PATH,
                    msgspec.json.encode(Report(states)),
                    headers={"Content-Type": "application/json"},
                )
            except UpstreamError as error:
                logger.warning("the control plane was not told what is served here: %s", error)
                self._stopping.wait(LONGEST_PAUSE_S * random.uniform(0.5, 1))  # noqa: S311
            told, told_at = states, time.monotonic()

    def take(self, reply: Reply) -> None:
        """Write down what is new, and that the control plane stands by it.

        Raises:
            msgspec.DecodeError, RoutingTableError: it is no sound table; what lies on disk stays.
        """
        if reply.status == 200 and not self._stopping.is_set():
            published = msgspec.json.decode(reply.body, type=Published)
            if published.callers and published.callers != _on_disk(read_callers, callers_path(self._path)):
                write_callers(published.callers, callers_path(self._path))
            if published.table:
                self._take_table(published)
        if self._path.exists():
            confirm_table(self._path)

    def _take_table(self, published: Published) -> None:
        table, held = published.table, _on_disk(read_table, self._path)
        assert table is not None  # noqa: S101
        if held and held.version > check_table(table).version:
            raise RoutingTableError(f"version {table.version} is older than {held.version}, which lies here")
        if held != table:
            write_table(table, self._path)
            logger.info("took over routing table %d", table.version)
        self._taken = True


def _on_disk(read: Callable[[Path], Kept], path: Path) -> Kept | None:
    try:
        return read(path)
    except (OSError, msgspec.DecodeError, RoutingTableError):
        return None


@contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    """Hold the lock at ``path`` if nobody else does; says whether. It ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _unpacked(response: http.client.HTTPResponse) -> bytes:
    """Return the body.

    Raises:
        UpstreamError: it is larger than anybody needs.
    """
    packed = response.headers.get("Content-Encoding") == "gzip"
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if packed else None
    data = bytearray()
    while piece := response.read(64 * 1024):
        data += unpack.decompress(piece, MOST_BYTES) if unpack else piece
        if len(data) > MOST_BYTES or (unpack and unpack.unconsumed_tail):
            raise UpstreamError(f"the answer is larger than {MOST_BYTES} bytes")
    return bytes(data)


def _seconds(header: str | None) -> float:
    return min(float(header), LONGEST_PAUSE_S) if header and header.isdigit() else 0.0
