"""The gateway without its server: a parsed request goes in, a status and bytes come out."""

import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from itertools import count
from typing import cast

from serving.callers import Caller
from serving.calls import Call, Inputs
from serving.contract import PredictionBatch, PredictionRecord, frame
from serving.exchange import Answer, Received, refusal
from serving.families import Outputs
from serving.metrics import Metrics
from serving.protocol import V2, Dialect, Fault, Given
from serving.snapshot import EMPTY, Snapshot
from serving.spool import Spool, SpoolFullError

logger = logging.getLogger("serving")

ANYONE = Caller(0)


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

    def infer(self, name: str, received: Received, caller: Caller = ANYONE, dialect: Dialect = V2) -> Answer:
        """Answer one inference request; its record is in the spool before this returns. See :meth:`begin`."""
        call = self.begin(name, received, caller, dialect)
        return call if isinstance(call, Answer) else self.complete(call)

    def begin(self, name: str, received: Received, caller: Caller = ANYONE, dialect: Dialect = V2) -> Call | Answer:
        """Return the call with its rows and the version that answers; or the answer, where it is refused already.

        Args:
            name: ``model``, ``model@alias`` or ``model/versions/3``.
        """
        target = self.snapshot.targets.get(name)
        if target is None or not caller.may_call(target.route.route.model_id):
            return self.unknown(name, dialect)
        call = Call(target, dialect, received, received.started_ns, caller.id)
        try:
            call.request = dialect.decode(received.headers, received.body)
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

    def turn_away(self, name: str, received: Received, fault: Fault, caller: Caller, dialect: Dialect) -> Answer:
        """Refuse a request whose body was never read."""
        target = self.snapshot.targets.get(name)
        if target is None or not caller.may_call(target.route.route.model_id):
            return refusal(fault, dialect)
        return self._refuse(Call(target, dialect, received, received.started_ns, caller.id), fault)

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
        call.request_id, 0, call.received.at, route.model, route.model_id, call.number, call.arm, loaded.table_version,
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
