"""One process that answers: its listening socket, its spool and models, and the threads that keep them in hand."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import uvloop

from serving.accepting import Acceptor, Counts
from serving.callers import Callers
from serving.connections import Connections
from serving.contract import ALIVE_S, STATE
from serving.core import Core
from serving.describe import Describer, gateway_state
from serving.dispatch import Dispatcher
from serving.fleet import Fleet
from serving.follower import Follower
from serving.settings import Settings
from serving.shadow import Shadow
from serving.siblings import Seat
from serving.signatures import Trust
from serving.snapshot import Snapshot
from serving.spool import Spool, seal_abandoned

if TYPE_CHECKING:
    from serving.tracing import Tracing

logger = logging.getLogger("serving")

LOOK_EVERY_S = 0.1
TELL_EVERY_S = ALIVE_S / 10
DRAIN_S = 10.0
LOAD_FIRST_S = 10.0
BACKLOG = 2048
SWITCH_S = 0.0005  # how long a slow model or shadow in a thread may keep the interpreter from the loop; Python's own is ten times as long


class Worker:
    """The gateway as one process holds it."""

    def __init__(self, settings: Settings, seat: Seat | None = None) -> None:
        """Prepare to serve.

        Args:
            seat: of one of several workers.
        """
        self._settings = settings
        self._seat = seat
        self._keepers = [ThreadPoolExecutor(1, name) for name in ("loader", "spool", "callers")]
        self._callers = Callers(settings)
        self._tracing = _tracing(settings)
        self._telling = threading.Lock()
        self._told_at = 0.0
        self._told_used: dict[int, float] = {}
        seal_abandoned(settings.spool_root)
        self._spool = Spool(settings)
        self._core = Core(self._spool)
        self._shadow = Shadow(self._spool, self._core.metrics, most_rows=settings.shadow_queue_rows)
        self._core.mirror = self._shadow.mirror
        describer = Describer(settings, self._core, self._callers, self._spool, self._shadow, seat)
        self._siblings = describer.siblings
        self._dispatcher = Dispatcher(
            self._core, self._callers, describer, operator_token=settings.operator_token, tracing=self._tracing
        )
        self._connections = Connections(self._dispatcher, settings)
        self._callers.follow()
        self._follower = Follower(settings) if settings.routing_url else None
        self._fleet = Fleet(
            settings.routing_table_path, self._put_in_force,
            trust=Trust(settings.trusted_keys, settings.signatures_required), memory_bytes=settings.model_memory_bytes,
            log_key=settings.log_hash_key,
        )  # fmt: skip
        self._put_in_force(self._core.snapshot)

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Answer what comes in at ``listener`` until ``stop`` is set; then finish what was asked."""
        if self._follower:
            self._follower.start()
        steps = (self._fleet.follow, self._tick, self._callers.follow)
        # Who accepts before it holds a model can only refuse; connections wait at the listener instead, but not for ever.
        loading = asyncio.create_task(self._try(self._keepers[0], self._fleet.follow))
        await asyncio.wait([loading], timeout=LOAD_FIRST_S)
        gc.collect()
        gc.freeze()  # what is there stays: looking through it again later would hold requests up for some 50 ms
        tasks = [
            asyncio.create_task(self._every(keeper, step)) for keeper, step in zip(self._keepers, steps, strict=True)
        ]
        tasks.append(asyncio.create_task(self._connections.sweep()))
        self._shadow.take_turns(asyncio.get_running_loop())
        stop_accepting = await self._accept(listener)
        await stop.wait()
        stop_accepting()
        await self._connections.drain(DRAIN_S)
        for task in tasks:
            task.cancel()
        if self._follower:
            self._follower.stop()
        self._dispatcher.close()
        self._shadow.close()
        for pool in self._keepers:
            pool.shutdown()
        self._spool.close()
        self._siblings.publish()
        if self._tracing:
            self._tracing.close()

    async def _accept(self, listener: socket.socket) -> Callable[[], None]:
        """Take connections from now on; return what ends that."""
        if self._seat is None:
            server = await asyncio.get_running_loop().create_server(
                self._connections, sock=listener, backlog=BACKLOG
            )  # fmt: skip
            return server.close
        acceptor = Acceptor(listener, self._connections, Counts(self._seat))
        acceptor.start()
        return acceptor.stop

    def _put_in_force(self, snapshot: Snapshot) -> None:
        self._core.snapshot = snapshot
        self._tell()

    def _tell(self) -> None:
        """Write down what the control plane may want to know of this process."""
        partial = self._spool.folder / f"{STATE}.partial"
        with self._telling:
            state = gateway_state(self._core.snapshot, self._spool, self._callers, self._shadow)
            try:
                partial.write_bytes(msgspec.json.encode(state))
                partial.replace(self._spool.folder / STATE)
            except OSError as error:  # telling others is worth less than serving
                logger.warning("the gateway's state cannot be written: %s", error)
            self._told_used = state.callers

    def _tick(self) -> None:
        self._spool.tick()
        self._siblings.publish_if_due()
        if time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        if self._callers.used() != self._told_used:
            self._tell()
            return
        with contextlib.suppress(FileNotFoundError):  # it could not be written; that was logged
            os.utime(self._spool.folder / STATE)

    async def _every(self, thread: ThreadPoolExecutor, step: Callable[[], object]) -> None:
        while True:
            await self._try(thread, step)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _try(self, thread: ThreadPoolExecutor, step: Callable[[], object]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, step)
        except Exception:
            logger.exception("a periodic step failed; it is tried again")


def run(
    settings: Settings, listener: socket.socket, lifeline: int | None = None, seat: Seat | None = None
) -> None:  # fmt: skip
    """Serve until told to stop by a signal, or by the end of who holds the other side of ``lifeline``. See :class:`Worker`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(50_000)  # requests leave no cycles behind; looking for some every few requests costs a tenth

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if lifeline is not None:
            loop.add_reader(lifeline, stop.set)
        await Worker(settings, seat).serve(listener, stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def _tracing(settings: Settings) -> "Tracing | None":
    if not settings.traces_endpoint:
        return None
    from serving.tracing import Tracing

    return Tracing(settings.traces_endpoint, settings.traces_share)
