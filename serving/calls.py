"""One request on its way through the gateway: its id, its arm, its rows, and what is recorded of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from serving.contract import Arm, arm_for, key_hash, mirrors, shadow_point
from serving.exchange import Received
from serving.protocol import Dialect, Fault, Request
from serving.runtimes import Columns, Row, Value
from serving.snapshot import LoadedRoute, Servable, Target

Inputs = dict[str, Value] | msgspec.Struct  # of one row, as recorded
PINNED = "pinned"  # the arm of a request that named its version


@dataclass(slots=True)
class Call:
    """One request on its way: what is known of it so far."""

    target: Target
    dialect: Dialect
    received: Received
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
        self.request_id = given or self.received.headers.get(b"x-request-id", b"").decode("latin-1") or generated
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
        key = self.received.headers.get(b"x-route-key", b"").decode("latin-1")
        if not key and route.key_column and request is not None:
            key = as_key(request.first(route.key_column))
        key = key or self.request_id
        self.hashed = key_hash(route.salt, key)
        forced = self.received.headers.get(b"x-route-arm")
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
            servable.used_at = self.received.at
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
            self.target, self.dialect, self.received, time.perf_counter_ns(), self.caller_id, self.request_id, arm.name,
            arm.number, arm.weight_bp, self.hashed, row=self.row, columns=self.columns, sent=self.sent,
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
