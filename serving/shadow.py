"""Shadow versions: asked again what was answered already, off the request's path, and recorded beside it.

A caller never waits for a shadow and never sees it fail. What is asked waits in queues that are bounded together; what they
do not hold is dropped and counted. The answer's record and the shadow's share their request id, so a missing one shows.

One row of a model that takes microseconds is asked on the event loop, once the answers of its turn have left: a thread would take the
core, or the interpreter, from the loop for much longer than that. All else waits for a thread.
"""

import asyncio
import logging
import threading
import time
from collections import deque

from serving.batching import predict
from serving.calls import Call
from serving.contract import Arm
from serving.core import recorded
from serving.metrics import Metrics
from serving.protocol import Fault
from serving.snapshot import Servable
from serving.spool import Spool, SpoolFullError

logger = logging.getLogger("serving")

GATHER_S = 0.02  # what comes together is asked together: threads that take turns for each row cost more than the rows
MOST_AT_ONCE = 32  # requests of one go; bounds how long the thread keeps others from running
GATHER_QUICK_S = 0.005  # the same for turns of the event loop
LEAST_A_TURN = 8  # requests that are asked in one; where more wait, a quarter of them
LEAVE_S = 2.0  # for what still waits when the process stops


Waiting = deque[tuple[Call, Arm]]


class Shadow:
    """The queues, one of them with its thread. ``mirror`` may be called from any thread.

    Attributes:
        dropped: requests that no shadow was asked, because too many waited, the version is not in memory or its
            record could not be kept.
    """

    def __init__(self, spool: Spool, metrics: Metrics, *, most_rows: int) -> None:
        self._spool = spool
        self._metrics = metrics
        self._most_rows = most_rows
        self._queue: Waiting = deque()
        self._quick: Waiting = deque()  # of what is asked on the event loop
        self._rows = 0  # of the requests that wait
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = True
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0  # none
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests in the queues."""
        return len(self._queue) + len(self._quick)

    def take_turns(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask what is quick on the event loop, which runs in this thread."""
        self._loop = loop
        self._loop_thread = threading.get_ident()

    def mirror(self, call: Call) -> None:
        """Have the shadows of an answered call's route asked the same, each its share of them."""
        for arm in call.shadows:
            quick = self._is_quick(call, arm)
            with self._lock:
                if self._rows + call.rows > self._most_rows or self._ending:
                    self._drop(call, arm)
                    continue
                self._rows += call.rows
                if not quick:
                    self._queue.append((call, arm))
                    if self._idle:
                        self._idle = False
                        self._wake.set()
            if quick:
                self._line_up(call, arm)

    def close(self) -> None:
        """Ask what waits, for a moment; the rest is dropped."""
        deadline = time.monotonic() + LEAVE_S
        with self._lock:
            self._ending = True
            self._wake.set()
        while self._quick and time.monotonic() < deadline:
            self._ask(self._take(self._quick, LEAST_A_TURN), alone=True)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        for queue in (self._quick, self._queue):
            while queue:
                self._drop(*queue.popleft())

    def _is_quick(self, call: Call, arm: Arm) -> bool:
        """Whether the event loop, if this is its thread, asks in a moment what a thread would take longer to be told of."""
        if call.row is None or threading.get_ident() != self._loop_thread:
            return False
        servable = call.target.route.servables.get(arm.number)
        return servable is not None and not servable.runtime.slow

    def _line_up(self, call: Call, arm: Arm) -> None:
        if not self._quick and self._loop:
            self._loop.call_later(GATHER_QUICK_S, self._turn)
        self._quick.append((call, arm))

    def _turn(self) -> None:
        """Ask some of what is quick; then requests have their turn."""
        quick = self._quick
        batch = self._take(quick, max(LEAST_A_TURN, len(quick) // 4))
        if quick and self._loop:
            self._loop.call_soon(self._turn)
        try:
            self._ask(batch, alone=True)
        except Exception:
            logger.exception("shadow versions could not be asked")

    def _drop(self, call: Call, arm: Arm) -> None:
        self.dropped += 1
        self._metrics.observe_shadow((call.route.route.model, arm.number, "dropped"))

    def _run(self) -> None:
        while self._wait():
            try:
                while batch := self._take(self._queue, MOST_AT_ONCE):
                    self._ask(batch)
            except Exception:
                logger.exception("shadow versions could not be asked")

    def _wait(self) -> bool:
        """Return when there is something to do; false at the end."""
        with self._lock:
            if not self._queue:
                if self._ending:
                    return False
                self._idle = True
                self._wake.clear()
        self._wake.wait()
        if not self._ending:
            time.sleep(GATHER_S)
        return True

    def _take(self, queue: Waiting, most: int) -> list[tuple[Call, Arm]]:
        with self._lock:
            batch = [queue.popleft() for _ in range(min(most, len(queue)))]
            self._rows -= sum([call.rows for call, _ in batch])
        return batch

    def _ask(self, batch: list[tuple[Call, Arm]], *, alone: bool = False) -> None:
        """Ask and record.

        Args:
            alone: each row is quicker asked for itself.
        """
        ready: dict[Servable, list[Call]] = {}
        kept: list[bytes] = []
        for call, arm in batch:
            if arm.number not in call.route.servables:
                self._drop(call, arm)
                continue
            copy = call.copy_for(arm)
            try:
                if not _reads_alike(call.servable, copy.servable):
                    copy.read()
                ready.setdefault(copy.servable, []).append(copy)
            except Exception as error:  # of a request that the champion could read and answer
                kept.append(self._fail(copy, error))
        for calls in ready.values():
            kept += self._each(calls) if alone else self._ask_one_version(calls)
        if kept:
            try:
                self._spool.append(b"".join(kept), sum([call.rows for call, _ in batch]))
            except SpoolFullError:
                self.dropped += len(kept)

    def _ask_one_version(self, calls: list[Call]) -> list[bytes]:
        """Return the records of calls that one version is asked, in one go where it may be."""
        if len(calls) == 1 or not calls[0].may_join:
            return self._each(calls)
        started_ns = time.perf_counter_ns()
        try:
            predicted = predict(calls)
        except Exception:  # one of them may be to blame; each is asked alone
            return self._each(calls)
        latency_us = (time.perf_counter_ns() - started_ns) // 1000
        pairs = zip(calls, predicted, strict=True)
        return [self._keep(call, values, latency_us) for call, values in pairs]

    def _each(self, calls: list[Call]) -> list[bytes]:
        kept: list[bytes] = []
        for call in calls:
            call.started_ns = time.perf_counter_ns()
            try:
                values = call.predict()
                kept.append(self._keep(call, values, _since(call)))
            except Exception as error:
                kept.append(self._fail(call, error))
        return kept

    def _keep(self, call: Call, values: list[float], latency_us: int) -> bytes:
        _, outputs = call.servable.family.answer(values, call.sent)
        self._metrics.observe_shadow((call.route.route.model, call.number, "answered"))
        return recorded(call, 200, latency_us, outputs)

    def _fail(self, call: Call, error: Exception) -> bytes:
        """Record that a shadow has no answer where the champion has one: always a failure of its own."""
        self._metrics.observe_shadow((call.route.route.model, call.number, "failed"))
        told = "the model failed to answer"
        if isinstance(error, Fault):
            told = call.route.privacy.fault(error) if call.route.privacy else str(error)
        return recorded(call, 500, _since(call), {}, told[:500])


def _since(call: Call) -> int:
    return (time.perf_counter_ns() - call.started_ns) // 1000


def _reads_alike(one: Servable, other: Servable) -> bool:
    return one.signature.key == other.signature.key and type(one.family) is type(other.family)
