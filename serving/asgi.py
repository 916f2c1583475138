"""The ASGI application: reads a request, asks the core, writes the answer; and keeps the table and spool in hand."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from serving.contract import ALIVE_S, STATE
from serving.core import INFER_PREFIX, INFER_SUFFIX, Answer, Core, error_answer
from serving.describe import describe, gateway_state
from serving.fleet import Fleet, Snapshot
from serving.protocol import Fault
from serving.settings import Settings
from serving.signatures import Trust
from serving.spool import Spool, seal_abandoned

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger("serving")

LOOK_EVERY_S = 0.1
SLOW_THREADS = 4


class Gateway:
    """One gateway process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "slow")
        self._keepers = [ThreadPoolExecutor(1, name) for name in ("loader", "spool")]
        self._tasks: list[asyncio.Task[None]] = []
        self._told_at = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            status, body, headers = await self._answer(scope, receive)
            headers.append((b"content-length", b"%d" % len(body)))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        at, started_ns = time.time(), time.perf_counter_ns()
        path: str = scope["path"]
        if scope["method"] == "GET":
            return describe(path, settings=self._settings, core=self._core, spool=self._spool)
        if scope["method"] != "POST" or not path.startswith(INFER_PREFIX) or not path.endswith(INFER_SUFFIX):
            return _not_here(scope["method"])
        name = path[len(INFER_PREFIX) : -len(INFER_SUFFIX)]
        headers = dict(scope["headers"])
        try:
            body = await self._read(headers, receive)
        except Fault as fault:
            answer = self._core.turn_away(name, headers, at, started_ns, fault)
            return answer._replace(headers=[*answer.headers, (b"connection", b"close")])
        if self._core.is_slow(name, body):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._slow, self._core.infer, name, headers, body, at, started_ns)
        return self._core.infer(name, headers, body, at, started_ns)

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Return the body.

        Raises:
            Fault: 413 as soon as it is known to be too large; 400 if the caller goes away.
        """
        most = self._settings.max_body_bytes
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise Fault(413, f"the body is larger than {most} bytes")
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Fault(400, "the caller closed the connection before the body was complete")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise Fault(413, f"the body is larger than {most} bytes")
            if not message.get("more_body"):
                return b"".join(parts)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        seal_abandoned(self._settings.spool_root)
        self._spool = Spool(self._settings)
        self._core = Core(self._spool)
        self._fleet = Fleet(
            self._settings.routing_table_path, self._put_in_force,
            trust=Trust(self._settings.trusted_keys, self._settings.signatures_required),
        )  # fmt: skip
        self._put_in_force(self._core.snapshot)
        self._tasks = [asyncio.create_task(self._follow_table()), asyncio.create_task(self._keep_spool())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self._tasks:
            task.cancel()
        for pool in (self._slow, *self._keepers):
            pool.shutdown()
        self._spool.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _put_in_force(self, snapshot: Snapshot) -> None:
        self._core.snapshot = snapshot
        partial = self._spool.folder / f"{STATE}.partial"
        try:
            partial.write_bytes(msgspec.json.encode(gateway_state(snapshot, self._spool)))
            partial.replace(self._spool.folder / STATE)
        except OSError as error:  # telling others is worth less than serving
            logger.warning("the gateway's state cannot be written: %s", error)

    async def _follow_table(self) -> None:
        await self._every(self._keepers[0], self._fleet.follow)

    async def _keep_spool(self) -> None:
        await self._every(self._keepers[1], self._tick)

    def _tick(self) -> None:
        self._spool.tick()
        if time.monotonic() - self._told_at > ALIVE_S / 10:
            self._told_at = time.monotonic()
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


def _not_here(method: str) -> Answer:
    if method == "POST":
        return error_answer(404, "there is no such address to post to; /v2/models/<model>/infer is one")
    answer = error_answer(405, f"{method[:20]} is not used here")
    return answer._replace(headers=[*answer.headers, (b"allow", b"GET, POST")])
