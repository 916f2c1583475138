"""Where each microsecond of a one-row request goes: the stages of the gateway, each called over and over in this process.

Everything is on: token, sticky routing, a canary of 10%, a shadow of 10%, records on disk. Stages are measured on their own with warm caches, so
they are floors: what a server under load takes for the same is more. The figure of a stage is that of the least disturbed of many batches.
"""

import asyncio
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.report import Row, arguments, finish
from benchmarks.served import AT, FEATURES, MODEL_ID, TREES, admit, train
from serving.calls import Call
from serving.connections import Connections
from serving.contract import Arm, Route, RoutingTable, write_table
from serving.core import recorded
from serving.exchange import Answer, Received
from serving.protocol import Fault, Given
from serving.settings import Settings
from serving.worker import Worker

KEYS = 1_000
BATCH = 50
COLLECT_AFTER = 50_000  # objects; as the worker has it
SECRET = "cp_of-the-benchmark"


class Wire:
    """A transport that counts what is answered."""

    answered = 0

    def write(self, data: bytes) -> None:
        """Take an answer."""
        if not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"this is no answer: {data[:200]!r}")
        self.answered += 1


class Turns:
    """An event loop that runs what was asked for when it is told to: the shadow's turns."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []

    def call_soon(self, step: Callable[[], None]) -> None:
        """Note what is to be run."""
        self._due.append(step)

    def call_later(self, _seconds: float, step: Callable[[], None]) -> None:
        """Note what is to be run."""
        self._due.append(step)

    def run(self) -> None:
        """Run it, and what that asks for."""
        while self._due:
            self._due.pop()()


class Canned:
    """Answers each request alike, so that HTTP alone is left."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.last: Received | None = None

    def answer(self, received: Received) -> Answer:
        """Keep the request for others."""
        self.last = received
        return self._answer

    def refuse_early(self, _method: bytes, _url: bytes, _headers: dict[bytes, bytes]) -> None:
        """Refuse nothing."""

    def turn_away(self, _received: Received, fault: Fault) -> Answer:
        """Be surprised."""
        raise fault


def main() -> None:
    """Train, serve in this process, and measure."""
    options = arguments(__doc__ or "")
    gc.set_threshold(COLLECT_AFTER)
    batches = 60 if options.quick else 400
    with tempfile.TemporaryDirectory() as home:
        worker = serve(Path(home), 20 if options.quick else TREES)
        rows = measure(worker, batches)
    finish(rows, options.json)
    os._exit(0)  # the worker's threads were never served, so nothing would end them


def serve(home: Path, trees: int) -> Worker:
    """Return a worker with three versions in force, that no socket leads to."""
    versions = [train(home, number, trees) for number in (1, 2, 3)]
    arms = [Arm("champion", 1, 9_000), Arm("canary", 2, 1_000), Arm("shadow", 3, 1_000)]
    route = Route("scorer", MODEL_ID, "classification", "model-1", arms, {"champion": 1}, versions)
    table = home / "table.json"
    write_table(RoutingTable(1, AT, [route]), table)
    admit(table, 1, SECRET)
    worker = Worker(Settings(table, home / "spool"))
    worker._callers.follow()
    worker._fleet.follow()
    return worker


def requests() -> list[bytes]:
    """Return what callers with different keys send."""
    data = [round(float(x), 6) for x in np.random.default_rng(0).normal(size=FEATURES)]
    tensor = {"name": "rows", "shape": [1, FEATURES], "datatype": "FP64", "data": data}
    body = json.dumps({"inputs": [tensor]}).encode()
    return [
        b"POST /v2/models/scorer/infer HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\nX-Route-Key: customer-%d\r\nContent-Length: %d\r\n\r\n%b"
        % (SECRET.encode(), key, len(body), body)
        for key in range(KEYS)
    ]


def measure(worker: Worker, batches: int) -> list[Row]:
    """Return the microseconds of a whole request, of its stages, and of what no stage is."""
    core, callers = worker._core, worker._callers
    sent = requests()
    wire = Wire()
    connection = connect(worker._connections, wire)
    stream = cycle(sent)

    turns = Turns()
    worker._shadow.take_turns(cast("asyncio.AbstractEventLoop", turns))

    def ask(number: int) -> None:
        connection.data_received(next(stream))
        if number % BATCH == 0:
            turns.run()

    def least(stage: Callable[[int], Any], calls: int = BATCH) -> float:
        times = []
        for _ in range(max(5, batches * BATCH // calls)):
            begun = time.perf_counter()
            for number in range(calls):
                stage(number)
            times.append((time.perf_counter() - begun) / calls * 1e6)
        return min(times)

    for data in islice(stream, KEYS):
        connection.data_received(data)
    whole = least(ask, KEYS)  # the same keys each time, so that a tenth of them is asked of the shadow
    mirror, core.mirror = core.mirror, lambda _: None
    unmirrored = least(ask, KEYS)

    canned = Canned(Answer(200, b"x" * 180, [(b"content-type", b"application/json"), (b"x-request-id", b"x" * 20)]))
    bare = connect(Connections(canned, Settings(Path("none"), Path("none"))), wire)
    http = least(lambda number: bare.data_received(sent[number]))
    if canned.last is None:
        raise RuntimeError("no request was read")
    headers, body = canned.last.headers, canned.last.body
    call = core.begin("scorer", canned.last)
    if not isinstance(call, Call):
        raise RuntimeError(f"the request was refused: {call.body!r}")
    request, servable, route = call.request, call.servable, call.route.route
    values = call.predict()
    tensors, outputs = servable.family.answer(values, 1)
    given = Given(route.model, call.number, call.request_id, tensors)
    kept = recorded(call, 200, 50, outputs)

    def know(_: int) -> None:
        caller = callers.identify(headers, 1.0)
        callers.enter(caller, 1.0)
        callers.leave(caller, 1.0)

    def way(_: int) -> None:
        call.identify("", core._new_id())
        call.choose(request)

    def answer(_: int) -> None:
        servable.family.answer(values, 1)
        request.answer(given)

    labels = (route.model, call.number, call.arm)
    stages = {
        "http": http,
        "caller": least(know),
        "json": least(lambda _: call.dialect.decode(headers, body)),
        "signature": least(lambda _: call.read()),
        "routing": least(way),
        "model": least(lambda _: call.predict()),
        "answer": least(answer),
        "record": least(lambda _: recorded(call, 200, 50, outputs)),
        "disk": least(lambda _: worker._spool.append(kept)),
        "metrics": least(lambda _: core.metrics.observe(labels, 200, 50)),
        "shadow": whole - unmirrored,
    }
    core.mirror = mirror
    if not wire.answered:
        raise RuntimeError("nothing was answered")
    told = [Row(f"us.{name}", value, "us") for name, value in stages.items()]
    return [Row("us.request", whole, "us"), *told, Row("us.between", whole - sum(stages.values()), "us")]


def connect(connections: Connections, wire: Wire) -> Any:
    """Return a connection whose answers go to ``wire``."""
    connection = connections()
    connection.connection_made(wire)  # type: ignore[arg-type]  # all of a transport that is asked of it
    return connection


if __name__ == "__main__":
    main()
