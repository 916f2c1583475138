"""Who calls, and how much they may ask: tokens by their digest, checked with one look-up, and limits for each caller.

The control plane publishes digests, never secrets. A secret is 256 random bits, so neither look-up needs constant time:
what the time of a comparison tells of a digest brings nobody closer to a secret that has it, and the cache compares raw
headers only where a keyed 64-bit hash agrees already.
"""

import hashlib
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from serving import contract
from serving.contract import callers_path, read_callers
from serving.protocol import Fault
from serving.settings import Settings

logger = logging.getLogger("serving")

MOST_REMEMBERED = 10_000  # headers whose caller is known without hashing
ANYBODY = 0  # the id of who shows no token
_CHALLENGE = (b"www-authenticate", b'Bearer realm="gateway"')


@dataclass(slots=True)
class Meter:
    """What one caller has asked so far; outlives a change of the list. Touched by the event loop alone."""

    level: float = math.inf  # requests that may come at once
    filled_at: float = 0.0
    in_flight: int = 0
    used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller with what is allowed in this process."""

    id: int
    models: frozenset[int] | None = None  # None: all
    expires_at: float = math.inf
    rate: float = 0.0  # requests per second; 0: any number
    burst: float = 0.0
    most_at_once: int = 0  # 0: any number
    meter: Meter = field(default_factory=Meter)

    def may_call(self, model_id: int) -> bool:
        """Whether the caller's token is for this model."""
        return self.models is None or model_id in self.models


@dataclass(frozen=True, slots=True)
class Book:
    """One published list. Replaced whole, so that nobody who left it is remembered by the next."""

    version: int = 0
    by_digest: dict[str, Caller] = field(default_factory=dict)
    remembered: dict[bytes, Caller] = field(default_factory=dict)  # by the header as it was sent


class Callers:
    """The list of callers in force. ``follow`` runs in a thread of its own, everything else on the event loop.

    Attributes:
        error: why the newest list on disk is not in force; empty where it is.
        refused: answers without a prediction, by reason: ``missing``, ``unknown``, ``expired``, ``rate``, ``in_flight``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = callers_path(settings.routing_table_path)
        self._seen: tuple[int, int, int] | None = None
        self._book = Book()
        self._anybody = self._compile(contract.Caller(ANYBODY, "", []), anybody=True)
        self.error = ""
        self.refused: Counter[str] = Counter()

    @property
    def version(self) -> int:
        """Of the list in force; 0 before the first."""
        return self._book.version

    def follow(self) -> None:
        """Take up the list on disk if it changed; a broken one changes nothing."""
        seen = _stamp(self._path)
        if self._settings.auth == "off" or seen in (None, self._seen):
            return
        self._seen = seen
        try:
            published = read_callers(self._path)
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("the list of callers is refused: %s", error)
            self.error = str(error)
            return
        self._book = Book(published.version, {caller.digest: self._compile(caller) for caller in published.callers})
        self.error = ""

    def identify(self, headers: Mapping[bytes, bytes], now: float) -> Caller:
        """Return who sends ``headers``.

        Raises:
            Fault: 401 without a token in force; 503 before the first list of callers.
        """
        header = headers.get(b"authorization")
        caller = self._book.remembered.get(header) if header else None
        if caller is None:
            caller = self._look_up(header)
        if now >= caller.expires_at:
            raise self._stranger("expired", "the token has expired; make a new one in the control plane")
        return caller

    def enter(self, caller: Caller, now: float) -> None:
        """Count a request in; ``leave`` follows when it is answered.

        Raises:
            Fault: 429 where the caller has reached a limit; says when to come back.
        """
        meter = caller.meter
        if caller.most_at_once and meter.in_flight >= caller.most_at_once:
            raise self._too_many("in_flight", f"more than {caller.most_at_once} requests at the same time", 1)
        if caller.rate:
            level = min(caller.burst, meter.level + (now - meter.filled_at) * caller.rate)
            meter.filled_at = now
            if level < 1:
                meter.level = level
                raise self._too_many(
                    "rate", f"more than {caller.rate:g} requests a second", math.ceil((1 - level) / caller.rate)
                )
            meter.level = level - 1
        meter.in_flight += 1

    def leave(self, caller: Caller, at: float) -> None:
        """Count a request out that arrived at ``at`` (seconds since the epoch)."""
        caller.meter.in_flight -= 1
        caller.meter.used_at = at

    def used(self) -> dict[int, float]:
        """Return when each caller of the list last asked."""
        return {c.id: c.meter.used_at for c in self._book.by_digest.values() if c.meter.used_at}

    def in_flight(self) -> int:
        """Return how many requests are being answered."""
        return self._anybody.meter.in_flight + sum(c.meter.in_flight for c in self._book.by_digest.values())

    def _look_up(self, header: bytes | None) -> Caller:
        if self._settings.auth == "off":
            return self._anybody
        if header is None:
            if self._settings.auth == "optional":
                return self._anybody
            raise self._stranger("missing", "a token is needed: Authorization: Bearer <token with the scope predict>")
        book = self._book
        if not book.version:
            raise Fault(503, "no list of callers is in force yet", (b"retry-after", b"1"))
        scheme, _, secret = header.partition(b" ")
        caller = None
        if scheme.lower() == b"bearer":
            caller = book.by_digest.get(f"sha256:{hashlib.sha256(secret.strip()).hexdigest()}")
        if caller is None:
            raise self._stranger("unknown", "the token is unknown, revoked or without the scope predict")
        if len(book.remembered) >= MOST_REMEMBERED:
            book.remembered.clear()
        book.remembered[header] = caller
        return caller

    def _stranger(self, reason: str, message: str) -> Fault:
        self.refused[reason] += 1
        return Fault(401, message, _CHALLENGE)

    def _too_many(self, reason: str, message: str, seconds: int) -> Fault:
        self.refused[reason] += 1
        return Fault(429, f"too many requests: this caller may not ask {message}", (b"retry-after", b"%d" % seconds))

    def _compile(self, caller: contract.Caller, *, anybody: bool = False) -> Caller:
        """Return the caller with this process's share of what is allowed to all workers together."""
        settings, workers = self._settings, self._settings.workers
        rate = caller.requests_per_s or settings.caller_requests_per_s
        burst = caller.burst or (0 if caller.requests_per_s else settings.caller_burst) or rate
        at_once = caller.in_flight or settings.caller_in_flight
        before = self._book.by_digest.get(caller.digest)
        return Caller(
            caller.id,
            None if anybody else frozenset(caller.models),
            math.inf if caller.expires_at is None else caller.expires_at,
            rate / workers,
            max(burst / workers, 1.0),
            max(at_once // workers, 1) if at_once else 0,
            before.meter if before else Meter(filled_at=time.monotonic()),
        )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
