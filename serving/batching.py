"""Rows of several requests in one call of their model: where a call costs far more than a row, as in scikit-learn.

A version has one call on its way at a time. What arrives in the same turn of the event loop, or while that call runs, goes
into the next one together. So nobody waits for company: a request that comes alone is predicted alone, at once.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from serving.calls import Call
from serving.core import Core
from serving.exchange import Answer
from serving.snapshot import Servable

MOST_ROWS = 256  # of one call to the model

Promise = asyncio.Future[Answer]
Waiting = list[tuple[Call, Promise]]


class Batcher:
    """Answers calls off the event loop, those of one version together; each gets its own answer, error and record."""

    def __init__(self, core: Core, threads: ThreadPoolExecutor) -> None:
        self._core = core
        self._threads = threads
        self._waiting: dict[Servable, Waiting] = {}  # of the versions that have a call on its way

    def answer(self, call: Call) -> Promise:
        """Return where the answer will be; to be called on the event loop."""
        loop = asyncio.get_running_loop()
        promise: Promise = loop.create_future()
        waiting = self._waiting.get(call.servable)
        if waiting is None:
            self._waiting[call.servable] = waiting = []
            loop.call_soon(self._start, call.servable)
        waiting.append((call, promise))
        return promise

    def _start(self, servable: Servable) -> None:
        """Predict what waits for the version, as much as one call may hold."""
        waiting = self._waiting[servable]
        if not waiting:
            del self._waiting[servable]
            return
        fits = _fits([call.rows for call, _ in waiting])
        batch, self._waiting[servable] = waiting[:fits], waiting[fits:]
        work = partial(complete, self._core, [call for call, _ in batch])
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        running.add_done_callback(partial(self._finish, servable, batch))

    def _finish(self, servable: Servable, batch: Waiting, done: asyncio.Future[list[Answer]]) -> None:
        answers = done.result()
        for (_, promise), answer in zip(batch, answers, strict=True):
            if not promise.done():  # its caller may have gone
                promise.set_result(answer)
        self._start(servable)


def complete(core: Core, calls: Sequence[Call]) -> list[Answer]:
    """Predict for all calls at once and answer each; where that fails, each is asked alone, and fails alone."""
    try:
        predicted = predict(calls)
    except Exception:
        return [core.complete(call) for call in calls]
    return [core.finish(call, values) for call, values in zip(calls, predicted, strict=True)]


def predict(calls: Sequence[Call]) -> list[list[float]]:
    """Return what the calls' one version answers to each."""
    if len(calls) == 1:
        return [calls[0].predict()]
    runtime = calls[0].servable.runtime
    parts = [call.columns if call.row is None else [[value] for value in call.row] for call in calls]
    columns = [[value for part in column for value in part] for column in zip(*parts, strict=True)]
    values = runtime.predict(columns, sum(call.rows for call in calls))
    predicted, at = [], 0
    for call in calls:
        end = at + call.rows * runtime.output.width
        predicted.append(values[at:end])
        at = end
    return predicted


def _fits(rows: list[int]) -> int:
    """Return how many calls go into one; at least the first."""
    total = 0
    for i, count in enumerate(rows):
        total += count
        if total > MOST_ROWS and i:
            return i
    return len(rows)
