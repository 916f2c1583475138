"""The gateway without its server: a parsed request goes in, a status and bytes come out."""

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, cast

import msgspec

from serving.callers import Caller
from serving.contract import Arm, PredictionBatch, PredictionRecord, arm_for, frame, key_hash, mirrors, shadow_point
from serving.families import Outputs
from serving.metrics import Metrics
from serving.protocol import CONTENT_JSON, V2, Dialect, Fault, Given, Headers, Request
from serving.runtimes import Columns, Row, Value
from serving.snapshot import EMPTY, LoadedRoute, Servable, Snapshot, Target
from serving.spool import Spool, SpoolFullError

logger = logging.getLogger("serving")

Inputs = dict[str, Value] | msgspec.Struct  # of one row, as recorded
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
    caller_id: int = 0
    request_id: str = ""
    arm: str = ""
    number: int = 0
    weight_bp: int = 0
    hashed: int = 0
    pinned: bool = False
    shadows: Sequence[Arm] = ()  # that are asked the same
    servable: Servable = field(init=False)  # the version that answers
    request: Request = field(init=False)
    row: Row | None = None  # of the usual request
    columns: Columns = field(default_factory=list)  # of any other
    sent: int = 1  # rows of the request
    rows: int = 1  # to predict for them

    @property
    def route(self) -> LoadedRoute:
        """The route, as of the request's arrival."""
        return self.target.route

    @property
    def is_slow(self) -> bool:
        """Whether predicting would hold up other requests for long, so that it belongs in a thread."""
        return self.servable.runtime.slow

    @property
    def may_join(self) -> bool:
        """Whether its rows may be predicted together with others; steps of a forecast belong to each other."""
        return self.servable.family.by_row

    def identify(self, given: str, generated: str) -> None:
        """Settle the request's id: its body's, its header's, or one of ours.

        Raises:
            Fault: 400 where it could not be sent back in a header; ours then stands in the record.
        """
        self.request_id = given or self.headers.get(b"x-request-id", b"").decode("latin-1") or generated
        if self.request_id is generated:
            return
        if len(self.request_id) > 128 or not self.request_id.isascii() or not self.request_id.isprintable():
            self.request_id = generated
            raise Fault(400, "id: must be up to 128 printable ASCII characters")

    def choose(self, request: Request | None = None) -> None:
        """Settle which arm and version answer: by the name that was called, a forced arm, or the key's hash.

        Args:
            request: where it could be read; it may hold the key.

        Raises:
            Fault: 400 where the forced arm does not exist; the hash's arm then stands in the record.
        """
        loaded = self.target.route
        route = loaded.route
        key = self.headers.get(b"x-route-key", b"").decode("latin-1")
        if not key and route.key_column and request is not None:
            key = as_key(request.first(route.key_column))
        key = key or self.request_id
        self.hashed = key_hash(route.salt, key)
        forced = self.headers.get(b"x-route-arm")
        if self.target.number is not None:
            self.arm, self.number, self.pinned = PINNED, self.target.number, True
            return
        arm = arm_for(loaded.answering_arms, self.hashed)
        self.arm, self.number, self.weight_bp = arm.name, arm.number, arm.weight_bp
        if forced is not None:
            name = forced.decode("latin-1")
            named = next((arm for arm in route.arms if arm.name == name), None)
            if named is None:
                raise Fault(400, f"X-Route-Arm: {route.model} has no arm {name[:40]!r}")
            self.arm, self.number, self.weight_bp = named.name, named.number, named.weight_bp
            self.pinned = True
        elif shadow_point(self.hashed) < loaded.mirrored_bp:
            self.shadows = mirrors(loaded.shadows, self.hashed)

    def read(self) -> None:
        """Find the version that answers, and read the rows by its signature.

        Raises:
            Fault: 503 while it is not in memory; 400 names what is wrong with the rows.
        """
        servable = self.target.route.servables.get(self.number)
        if servable is None:
            raise self._absence()
        if self.pinned:
            servable.used_at = self.at
        self.servable = servable
        self.row = self.request.read_row(servable.signature) if servable.family.by_row else None
        if self.row is None:
            columns, self.sent = self.request.read(servable.signature)
            self.columns, self.rows = servable.family.widen(self.request.parameters, columns, self.sent)

    def _absence(self) -> Fault:
        """Say why the version is not in memory; one that is cold is loaded for whom asks again."""
        name = f"{self.route.route.model} version {self.number}"
        cold = self.route.cold.get(self.number)
        if cold is None:
            return Fault(503, f"{name} is not loaded; see /status")
        if cold.reason:
            return Fault(503, f"{name} {cold.reason}", (b"retry-after", b"60"))
        cold.asked = True
        return Fault(503, f"{name} was not in memory and is being loaded; ask again", (b"retry-after", b"1"))

    def predict(self) -> list[float]:
        """Ask the model; the output row by row."""
        runtime = self.servable.runtime
        return runtime.predict(self.columns, self.rows) if self.row is None else runtime.predict_row(self.row)

    def copy_for(self, arm: Arm) -> "Call":
        """Return the same for a shadow, which reads the rows again if its columns differ."""
        copy = Call(
            self.target, self.dialect, self.headers, self.at, time.perf_counter_ns(), self.caller_id, self.request_id,
            arm.name, arm.number, arm.weight_bp, self.hashed, row=self.row, columns=self.columns, sent=self.sent,
            rows=self.rows,
        )  # fmt: skip
        copy.request, copy.servable = self.request, self.route.servables[arm.number]
        return copy

    def inputs(self) -> Inputs:
        """Return the one row as it is recorded."""
        as_struct = self.servable.row_struct
        if self.row is not None and as_struct is not None and self.target.route.privacy is None:
            return as_struct(*self.row)
        return {name: value for name, (value,) in self.inputs_by_column().items()}

    def inputs_by_column(self) -> dict[str, list[Value]]:
        """Return the rows as they are recorded, a list a column."""
        columns = self.columns if self.row is None else [[value] for value in self.row]
        named = dict(zip(self.servable.names, columns, strict=True))
        privacy = self.target.route.privacy
        return privacy.withhold(named) if privacy else named


def as_key(value: object) -> str:
    """Return the text of an input value that routes: 7, 7.0 and "7" are one key; what is no value is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, (str, int, float)) else ""


class Core:
    """Answers requests from the snapshot in force, in three stages that may run in different threads.

    ``begin`` reads a request, ``predict`` (of the call) asks the model, ``finish`` or ``fail`` records and answers;
    ``infer`` is all of them in one. Who batches predictions comes between the first and the last.

    Attributes:
        snapshot: replaced whole by the fleet; a request reads it once, so no answer mixes two.
        mirror: is handed what was answered by routing, for shadow versions.
    """

    def __init__(self, spool: Spool) -> None:
        self.snapshot: Snapshot = EMPTY
        self.metrics = Metrics()
        self.mirror: Callable[[Call], None] = lambda _: None
        self._spool = spool
        self._ids = count(1)
        self._id_prefix = secrets.token_hex(8)

    def _new_id(self) -> str:
        return f"{self._id_prefix}-{next(self._ids):x}"

    def infer(
        self, name: str, headers: Mapping[bytes, bytes], body: bytes, at: float, started_ns: int, *,
        caller: Caller = ANYONE, dialect: Dialect = V2,
    ) -> Answer:  # fmt: skip
        """Answer one inference request; its record is in the spool before this returns. See :meth:`begin`."""
        call = self.begin(name, headers, body, at, started_ns, caller=caller, dialect=dialect)
        return call if isinstance(call, Answer) else self.complete(call)

    def begin(
        self, name: str, headers: Mapping[bytes, bytes], body: bytes, at: float, started_ns: int, *,
        caller: Caller = ANYONE, dialect: Dialect = V2,
    ) -> Call | Answer:  # fmt: skip
        """Return the call with its rows and the version that answers; or the answer, where it is refused already.

        Args:
            name: ``model``, ``model@alias`` or ``model/versions/3``.
            headers: names in lower case.
            at: when the request arrived, seconds since the epoch.
            started_ns: the same, by ``time.perf_counter_ns``.
        """
        target = self.snapshot.targets.get(name)
        if target is None or not caller.may_call(target.route.route.model_id):
            return self.unknown(name, dialect)
        call = Call(target, dialect, headers, at, started_ns, caller.id)
        try:
            call.request = dialect.decode(headers, body)
            call.identify(call.request.id or "", self._new_id())
            call.choose(call.request)
            call.read()
        except Exception as error:
            return self.fail(call, error)
        return call

    def complete(self, call: Call) -> Answer:
        """Predict and finish."""
        try:
            values = call.predict()
        except Exception as error:
            return self.fail(call, error)
        return self.finish(call, values)

    def finish(self, call: Call, values: list[float]) -> Answer:
        """Answer a call with what its model predicted; the record is in the spool before this returns."""
        try:
            family = call.servable.family
            tensors, outputs = family.answer(values, call.sent)
            tensors += family.beside(call.request.parameters, call.columns, values, call.sent)
            loaded = call.target.route
            answer, headers = call.request.answer(Given(loaded.route.model, call.number, call.request_id, tensors))
            self._record(call, 200, outputs)
        except Exception as error:
            return self.fail(call, error)
        if call.shadows:
            self.mirror(call)
        headers.append((b"x-request-id", call.request_id.encode()))
        return Answer(200, answer, headers)

    def fail(self, call: Call, error: Exception) -> Answer:
        """Refuse a call for what was raised on its way, and record that where it can be."""
        if isinstance(error, SpoolFullError):
            return refusal(Fault(503, str(error)), call.dialect, call.request_id)
        if not isinstance(error, Fault):
            _report(call, error)
            error = Fault(500, "the model failed to answer; the gateway's log says more")
        return self._refuse(call, error)

    def turn_away(
        self, name: str, headers: Mapping[bytes, bytes], at: float, started_ns: int, fault: Fault, *,
        caller: Caller = ANYONE, dialect: Dialect = V2,
    ) -> Answer:  # fmt: skip
        """Refuse a request whose body was never read."""
        target = self.snapshot.targets.get(name)
        if target is None or not caller.may_call(target.route.route.model_id):
            return refusal(fault, dialect)
        return self._refuse(Call(target, dialect, headers, at, started_ns, caller.id), fault)

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
            told = call.route.privacy.fault(fault) if call.route.privacy else str(fault)
            self._record(call, fault.status, {}, told[:500])
        except SpoolFullError as error:
            fault = Fault(503, str(error))
        return refusal(fault, call.dialect, call.request_id)

    def _record(self, call: Call, status: int, outputs: Outputs, error: str = "") -> None:
        latency_us = (time.perf_counter_ns() - call.started_ns) // 1000
        try:
            self._spool.append(recorded(call, status, latency_us, outputs, error), call.rows if outputs else 1)
        except SpoolFullError:
            status = 503
            raise
        finally:
            self.metrics.observe((call.target.route.route.model, call.number, call.arm), status, latency_us)


def recorded(call: Call, status: int, latency_us: int, outputs: Outputs, error: str = "") -> bytes:
    """Return the record of one call as a segment holds it; the rows of a batch together.

    Args:
        outputs: none where the call failed; what was asked is not recorded then either.
    """
    loaded = call.target.route
    route = loaded.route
    inputs: Inputs = {}
    answered: dict[str, float | int | str] = {}
    many = call.rows > 1 and bool(outputs)
    if outputs and not many:
        inputs = call.inputs()
        answered = {name: values[0] for name, values in outputs.items()}
    record = PredictionRecord(
        call.request_id, 0, call.at, route.model, route.model_id, call.number, call.arm, loaded.table_version,
        call.weight_bp, call.hashed, call.pinned, status, latency_us,
        inputs,  # type: ignore[arg-type]  # a struct is written like the dict of its fields
        answered, error, call.caller_id, tuple([arm.number for arm in call.shadows]) if call.shadows else (),
    )  # fmt: skip
    if many:
        return frame(
            PredictionBatch(record, call.inputs_by_column(), cast("dict[str, list[float | int | str]]", outputs))
        )
    return frame(record)


def _report(call: Call, error: Exception) -> None:
    """Write to the gateway's log that a request failed; words of a library may quote a value."""
    failed = ("request %s to %s failed%s", call.request_id, call.route.route.model)
    if call.route.privacy:
        logger.error(*failed, f": {call.route.privacy.crash(error)}")
    else:
        logger.error(*failed, "", exc_info=error)


def refusal(fault: Fault, dialect: Dialect, request_id: str = "") -> Answer:
    """Return why a request is not answered; a caller is told when to come back where waiting helps."""
    headers = [CONTENT_JSON, *fault.headers]
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if fault.status == 503 and not fault.headers:
        headers.append((b"retry-after", b"1"))
    return Answer(fault.status, dialect.error(fault.status, str(fault)), headers)
