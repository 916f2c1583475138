"""The gateway without its server: a parsed request goes in, a status and bytes come out."""

import contextlib
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from serving.callers import Caller
from serving.contract import Arm, PredictionRecord, arm_for, frame, key_hash
from serving.fleet import EMPTY, LoadedRoute, Servable, Snapshot, Target
from serving.metrics import Metrics
from serving.protocol import CONTENT_JSON, V2, Dialect, Fault, Given, Headers
from serving.runtimes import Output, Value
from serving.spool import Spool, SpoolFullError

logger = logging.getLogger("serving")

INLINE_BYTES = 64 * 1024  # a larger body is worth a hop to another thread
Inputs = dict[str, Value]  # of one row, as recorded
Outputs = dict[str, float | int | str]
ANYONE = Caller(0)
PINNED = "pinned"  # the arm of a request that named its version


class Answer(NamedTuple):
    """What goes back to the caller."""

    status: int
    body: bytes
    headers: Headers


@dataclass(slots=True)
class Call:
    """One request on its way: what is known of it so far."""

    target: Target
    dialect: Dialect
    headers: Mapping[bytes, bytes]
    at: float
    started_ns: int
    request_id: str = ""
    arm: str = ""
    number: int = 0
    weight_bp: int = 0
    hashed: int = 0
    pinned: bool = False

    @property
    def route(self) -> LoadedRoute:
        """The route, as of the request's arrival."""
        return self.target.route

    def identify(self, given: str, generated: str) -> None:
        """Settle the request's id: its body's, its header's, or one of ours.

        Raises:
            Fault: 400 where it could not be sent back in a header; ours then stands in the record.
        """
        self.request_id = given or self.headers.get(b"x-request-id", b"").decode("latin-1") or generated
        if len(self.request_id) > 128 or not self.request_id.isascii() or not self.request_id.isprintable():
            self.request_id = generated
            raise Fault(400, "id: must be up to 128 printable ASCII characters")

    def choose(self) -> None:
        """Settle which arm and version answer: by the name that was called, a forced arm, or the key's hash.

        Raises:
            Fault: 400 where the forced arm does not exist; the hash's arm then stands in the record.
        """
        route = self.route.route
        key = self.headers.get(b"x-route-key", b"").decode("latin-1") or self.request_id
        self.hashed = key_hash(route.salt, key)
        forced = self.headers.get(b"x-route-arm")
        if self.target.number is not None:
            self.arm, self.number, self.pinned = PINNED, self.target.number, True
            return
        self._take(arm_for(route.arms, self.hashed))
        if forced is not None:
            name = forced.decode("latin-1")
            arm = next((arm for arm in route.arms if arm.name == name), None)
            if arm is None:
                raise Fault(400, f"X-Route-Arm: {route.model} has no arm {name[:40]!r}")
            self._take(arm)
            self.pinned = True

    def _take(self, arm: Arm) -> None:
        self.arm, self.number, self.weight_bp = arm.name, arm.number, arm.weight_bp

    def servable(self) -> Servable:
        """Return the version that answers.

        Raises:
            Fault: 503 while it is not in memory.
        """
        servable = self.route.servables.get(self.number)
        if servable is None:
            raise Fault(503, f"{self.route.route.model} version {self.number} is not loaded; see /status")
        return servable


class Core:
    """Answers requests from the snapshot in force. ``infer`` is safe to call from several threads.

    Attributes:
        snapshot: replaced whole by the fleet; a request reads it once, so no answer mixes two.
    """

    def __init__(self, spool: Spool) -> None:
        self.snapshot: Snapshot = EMPTY
        self.metrics = Metrics()
        self._spool = spool
        self._ids = count(1)
        self._id_prefix = secrets.token_hex(8)

    def _new_id(self) -> str:
        return f"{self._id_prefix}-{next(self._ids):x}"

    def is_slow(self, name: str, body: bytes) -> bool:
        """Whether answering would hold up other requests for long, so that it belongs in a thread."""
        target = self.snapshot.targets.get(name)
        return target is not None and (target.slow or len(body) > INLINE_BYTES)

    def infer(
        self, name: str, headers: Mapping[bytes, bytes], body: bytes, at: float, started_ns: int, *,
        caller: Caller = ANYONE, dialect: Dialect = V2,
    ) -> Answer:  # fmt: skip
        """Answer one inference request; its record is in the spool before this returns.

        Args:
            name: ``model``, ``model@alias`` or ``model/versions/3``.
            headers: names in lower case.
            at: when the request arrived, seconds since the epoch.
            started_ns: the same, by ``time.perf_counter_ns``.
        """
        target = self.snapshot.targets.get(name)
        if target is None or not caller.may_call(target.route.route.model_id):
            return self.unknown(name, dialect)
        call = Call(target, dialect, headers, at, started_ns)
        try:
            return self._answer(call, body)
        except Fault as fault:
            return self._refuse(call, fault)
        except SpoolFullError as error:
            return refusal(Fault(503, str(error)), dialect, call.request_id)
        except Exception:
            logger.exception("request %s to %s failed", call.request_id, name)
            return self._refuse(call, Fault(500, "the model failed to answer; the gateway's log says more"))

    def turn_away(
        self, name: str, headers: Mapping[bytes, bytes], at: float, started_ns: int, fault: Fault, *,
        caller: Caller = ANYONE, dialect: Dialect = V2,
    ) -> Answer:  # fmt: skip
        """Refuse a request whose body was never read."""
        target = self.snapshot.targets.get(name)
        if target is None or not caller.may_call(target.route.route.model_id):
            return refusal(fault, dialect)
        return self._refuse(Call(target, dialect, headers, at, started_ns), fault)

    def only_model(self, caller: Caller) -> str:
        """Return the model that needs no naming, because it is the only one that the caller may call; else ``""``."""
        routes = self.snapshot.routes
        names = [name for name, loaded in routes.items() if caller.may_call(loaded.route.model_id)]
        return names[0] if len(names) == 1 else ""

    def unknown(self, name: str, dialect: Dialect) -> Answer:
        """Refuse a name that nothing is served under, or nothing that the caller's token is for: nobody learns which."""
        if not self.snapshot.table_version:
            return refusal(Fault(503, "no routing table is in force yet"), dialect)
        if not name:
            return refusal(
                Fault(404, "no model, alias or version is named in the address, and there is not just one to call"),
                dialect,
            )
        return refusal(Fault(404, f"no model, alias or version is served under {name[:200]!r} to this caller"), dialect)

    def _refuse(self, call: Call, fault: Fault) -> Answer:
        """Record a request for a known model that is not answered, and say why."""
        if not call.request_id:
            with contextlib.suppress(Fault):  # a second fault must not hide the first
                call.identify("", self._new_id())
        if not call.arm:
            with contextlib.suppress(Fault):
                call.choose()
        try:
            self._record(call, fault.status, [{}], [{}], str(fault)[:500])
        except SpoolFullError as error:
            fault = Fault(503, str(error))
        return refusal(fault, call.dialect, call.request_id)

    def _answer(self, call: Call, body: bytes) -> Answer:
        request = call.dialect.decode(call.headers, body)
        call.identify(request.id or "", self._new_id())
        call.choose()
        servable = call.servable()
        signature, runtime = servable.signature, servable.runtime
        row = request.read_row(signature)
        if row is not None:
            values = runtime.predict_row(row)
            inputs: list[Inputs] = [dict(zip(signature.names, row, strict=True))]
        else:
            columns, rows = request.read(signature)
            values = runtime.predict(columns, rows)
            inputs = [dict(zip(signature.names, row, strict=True)) for row in zip(*columns, strict=True)]
        output = runtime.output
        answer, answer_headers = request.answer(
            Given(call.route.route.model, call.number, call.request_id, output, values, len(inputs))
        )
        self._record(call, 200, inputs, _outputs(output, values))
        answer_headers.append((b"x-request-id", call.request_id.encode()))
        return Answer(200, answer, answer_headers)

    def _record(
        self, call: Call, status: int, inputs: list[Inputs], outputs: list[Outputs], error: str = ""
    ) -> None:  # fmt: skip
        latency_us = (time.perf_counter_ns() - call.started_ns) // 1000
        route = call.route.route
        framed = [
            frame(PredictionRecord(
                call.request_id, row, call.at, route.model, route.model_id, call.number, call.arm,
                call.route.table_version, call.weight_bp, call.hashed, call.pinned, status, latency_us, given, answered,
                error,
            ))
            for row, (given, answered) in enumerate(zip(inputs, outputs, strict=True))
        ]  # fmt: skip
        try:
            self._spool.append(framed[0] if len(framed) == 1 else b"".join(framed), len(framed))
        except SpoolFullError:
            status = 503
            raise
        finally:
            self.metrics.observe((route.model, call.number, call.arm), status, latency_us)


def refusal(fault: Fault, dialect: Dialect, request_id: str = "") -> Answer:
    """Return why a request is not answered; a caller is told when to come back where waiting helps."""
    headers = [CONTENT_JSON, *fault.headers]
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if fault.status == 503 and not fault.headers:
        headers.append((b"retry-after", b"1"))
    return Answer(fault.status, dialect.error(fault.status, str(fault)), headers)


def _outputs(output: Output, values: list[float]) -> list[Outputs]:
    if output.width == 1:
        return [{output.name: value} for value in values]
    names = [f"{output.name}_{i}" for i in range(output.width)]
    return [
        dict(zip(names, values[i : i + output.width], strict=True)) for i in range(0, len(values), output.width)
    ]  # fmt: skip
