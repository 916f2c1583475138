"""The ASGI application: reads a request, asks the core, writes the answer; and keeps the table and spool in hand."""

import asyncio
import contextlib
import functools
import hmac
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from serving.callers import Caller, Callers
from serving.contract import ALIVE_S, STATE
from serving.core import ANYONE, Answer, Core, refusal
from serving.describe import Describer, gateway_state
from serving.fleet import Fleet, Snapshot
from serving.invocations import MLFLOW
from serving.protocol import V2, Dialect, Fault
from serving.settings import Settings
from serving.signatures import Trust
from serving.spool import Spool, seal_abandoned

if TYPE_CHECKING:
    from serving.tracing import Tracing

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger("serving")

LOOK_EVERY_S = 0.1
INLINE_BYTES = 64 * 1024  # a larger body is worth a hop to another thread
SLOW_THREADS = 4
TELL_EVERY_S = ALIVE_S / 10
OPERATORS = ("/status", "/metrics")


class Gateway:
    """One gateway process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "slow")
        self._keepers = [ThreadPoolExecutor(1, name) for name in ("loader", "spool", "callers")]
        self._callers = Callers(settings)
        self._tracing = _tracing(settings)
        self._operator = b"Bearer " + settings.operator_token.encode() if settings.operator_token else None
        self._tasks: list[asyncio.Task[None]] = []
        self._telling = threading.Lock()
        self._told_at = 0.0
        self._told_used: dict[int, float] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            if self._tracing is None:
                status, body, headers = await self._answer(scope, receive)
            else:
                status, body, headers = await self._traced(self._tracing, scope, receive)
            headers.append((b"content-length", b"%d" % len(body)))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _traced(self, tracing: "Tracing", scope: Message, receive: Receive) -> Answer:
        if _prediction(scope["path"].removesuffix("/")) is None:
            return await self._answer(scope, receive)
        with tracing.span(scope["path"], dict(scope["headers"])) as span:
            answer = await self._answer(scope, receive)
            tracing.finish(span, answer.status, answer.headers)
            return answer

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        at, started_ns = time.time(), time.perf_counter_ns()
        headers = dict(scope["headers"])
        path = scope["path"].removesuffix("/")
        asked = _prediction(path)
        if asked is None:
            return self._describe(scope["method"], path, headers, at)
        dialect, name = asked
        if scope["method"] != "POST":
            return _wrong_method("POST", dialect)
        try:
            caller = self._callers.identify(headers, at)
            self._callers.enter(caller, started_ns / 1e9)
        except Fault as fault:
            return refusal(fault, dialect)
        try:
            name = self._core.only_model(caller) if name is None else name
            return await self._predict(name, headers, receive, at, started_ns, caller, dialect)
        finally:
            self._callers.leave(caller, at)

    async def _predict(
        self, name: str, headers: dict[bytes, bytes], receive: Receive, at: float, started_ns: int, caller: Caller,
        dialect: Dialect,
    ) -> Answer:  # fmt: skip
        core = self._core
        try:
            body = await self._read(headers, receive)
        except Fault as fault:
            answer = core.turn_away(name, headers, at, started_ns, fault, caller=caller, dialect=dialect)
            return answer._replace(headers=[*answer.headers, (b"connection", b"close")])
        loop = asyncio.get_running_loop()
        if len(body) > INLINE_BYTES:
            answer_slowly = functools.partial(core.infer, caller=caller, dialect=dialect)
            return await loop.run_in_executor(self._slow, answer_slowly, name, headers, body, at, started_ns)
        call = core.begin(name, headers, body, at, started_ns, caller=caller, dialect=dialect)
        if isinstance(call, Answer):
            return call
        if call.is_slow:
            return await loop.run_in_executor(self._slow, core.complete, call)
        return core.complete(call)

    def _describe(self, method: str, path: str, headers: dict[bytes, bytes], at: float) -> Answer:
        told = self._describer.find(path)
        if told is None:
            return refusal(Fault(404, "there is no such address; /openapi.json says what is here"), V2)
        if method not in ("GET", "HEAD"):
            return _wrong_method("GET, HEAD", V2)
        caller = ANYONE
        try:
            if path.startswith("/v2/models/"):
                caller = self._callers.identify(headers, at)
            elif self._operator and path in OPERATORS:
                self._check_operator(headers)
        except Fault as fault:
            return refusal(fault, V2)
        return told(caller)

    def _check_operator(self, headers: dict[bytes, bytes]) -> None:
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._operator or b""):
            raise Fault(401, "this needs the operator's token", (b"www-authenticate", b'Bearer realm="operator"'))

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Return the body.

        Raises:
            Fault: 413 as soon as it is known to be too large; 408 if it takes too long; 400 if the caller goes away.
        """
        most = self._settings.max_body_bytes
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise Fault(413, f"the body is larger than {most} bytes")
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            if len(whole) > most:
                raise Fault(413, f"the body is larger than {most} bytes")
            return whole
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                return await _read_on(message, receive, most)
        except TimeoutError:
            raise Fault(408, f"the body was not complete after {self._settings.body_timeout_s:g} seconds") from None

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        seal_abandoned(self._settings.spool_root)
        self._spool = Spool(self._settings)
        self._core = Core(self._spool)
        self._describer = Describer(self._settings, self._core, self._callers, self._spool)
        self._callers.follow()
        self._fleet = Fleet(
            self._settings.routing_table_path, self._put_in_force,
            trust=Trust(self._settings.trusted_keys, self._settings.signatures_required),
        )  # fmt: skip
        self._put_in_force(self._core.snapshot)
        steps = (self._fleet.follow, self._tick, self._callers.follow)
        self._tasks = [
            asyncio.create_task(self._every(keeper, step)) for keeper, step in zip(self._keepers, steps, strict=True)
        ]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self._tasks:
            task.cancel()
        for pool in (self._slow, *self._keepers):
            pool.shutdown()
        self._spool.close()
        if self._tracing:
            self._tracing.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _put_in_force(self, snapshot: Snapshot) -> None:
        self._core.snapshot = snapshot
        self._tell()

    def _tell(self) -> None:
        """Write down what the control plane may want to know of this process."""
        partial = self._spool.folder / f"{STATE}.partial"
        with self._telling:
            state = gateway_state(self._core.snapshot, self._spool, self._callers)
            try:
                partial.write_bytes(msgspec.json.encode(state))
                partial.replace(self._spool.folder / STATE)
            except OSError as error:  # telling others is worth less than serving
                logger.warning("the gateway's state cannot be written: %s", error)
            self._told_used = state.callers

    def _tick(self) -> None:
        self._spool.tick()
        if time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        if self._callers.used() != self._told_used:
            self._tell()
            return
        with contextlib.suppress(FileNotFoundError):  # it could not be written; that was logged
            os.utime(self._spool.folder / STATE)

    async def _every(self, thread: ThreadPoolExecutor, step: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(thread, step)
            except Exception:
                logger.exception("a periodic step failed; it is tried again")
            await asyncio.sleep(LOOK_EVERY_S)


def _tracing(settings: Settings) -> "Tracing | None":
    if not settings.traces_endpoint:
        return None
    from serving.tracing import Tracing

    return Tracing(settings.traces_endpoint, settings.traces_share)


def _prediction(path: str) -> tuple[Dialect, str | None] | None:
    """Return the protocol and the name that a prediction is asked under at ``path``; no name means the only model."""
    if path.startswith("/v2/models/"):
        return (V2, path[len("/v2/models/") : -len("/infer")]) if path.endswith("/infer") else None
    if path.startswith("/models/") and path.endswith("/invocations"):
        return MLFLOW, path[len("/models/") : -len("/invocations")]
    return (MLFLOW, None) if path == "/invocations" else None


async def _read_on(message: Message, receive: Receive, most: int) -> bytes:
    """Return a body that comes in pieces, ``message`` being the first."""
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise Fault(400, "the caller closed the connection before the body was complete")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise Fault(413, f"the body is larger than {most} bytes")
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _wrong_method(allowed: str, dialect: Dialect) -> Answer:
    return refusal(Fault(405, f"only {allowed} is answered here", (b"allow", allowed.encode())), dialect)
