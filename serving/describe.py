"""What a gateway says about itself and its models: health, metadata, status. Reads one snapshot; changes nothing."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.callers import Caller, Callers
from serving.contract import GatewayState, confirmed_at
from serving.core import Core
from serving.exchange import Answer, refusal
from serving.inputs import TENSOR_OF
from serving.metrics import Counts, Gauges
from serving.protocol import CONTENT_JSON, V2, Fault, encode
from serving.settings import Settings
from serving.shadow import Shadow
from serving.siblings import Seat, Siblings
from serving.snapshot import LoadedRoute, Snapshot, Target
from serving.spool import Spool

VERSION = "0.1.0"
EXTENSIONS = ["binary_tensor_data"]
OPENAPI = (Path(__file__).parent / "openapi.json").read_bytes()


class Describer:
    """Answers what is asked with GET."""

    def __init__(
        self, settings: Settings, core: Core, callers: Callers, spool: Spool, shadow: Shadow, seat: Seat | None = None
    ) -> None:
        self._settings = settings
        self._core = core
        self._callers = callers
        self._spool = spool
        self._shadow = shadow
        self.siblings = Siblings(self._numbers, seat, describe=self._status)

    def find(self, path: str) -> Callable[[Caller], Answer] | None:
        """Return what answers at ``path``; None if nothing does."""
        match path.split("/")[1:]:
            case ["v2", "health", "live"]:
                return lambda _: _json({"live": True})
            case ["v2", "health", "ready"]:
                return self._ready
            case ["ping"]:
                return self._ping
            case ["v2"]:
                return lambda _: _json({"name": "gateway", "version": VERSION, "extensions": EXTENSIONS})
            case ["openapi.json"]:
                return lambda _: Answer(200, OPENAPI, [CONTENT_JSON])
            case ["v2", "models", *name, "ready"] if any(name):
                return lambda caller: self._of_model(caller, "/".join(name), _readiness)
            case ["v2", "models", *name] if any(name):
                return lambda caller: self._of_model(caller, "/".join(name), _metadata)
            case ["status"]:
                return lambda _: _json(self._status() | {"others": self.siblings.others()})
            case ["metrics"]:
                return self._metrics
        return None

    def _ready(self, _: Caller) -> Answer:
        snapshot = self._core.snapshot
        told = {
            "ready": snapshot.is_ready,
            "table_version": snapshot.table_version,
            "table_age_s": _age(snapshot),
            "table_confirmed_s_ago": _confirmed_age(self._settings),
        }
        return _json(told, 200 if snapshot.is_ready else 503)

    def _ping(self, _: Caller) -> Answer:
        """Answer MLflow's health check."""
        return Answer(
            200 if self._core.snapshot.is_ready else 503, b"\n", [(b"content-type", b"text/plain; charset=utf-8")]
        )

    def _metrics(self, _: Caller) -> Answer:
        return Answer(200, self.siblings.text(), [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")])

    def _numbers(self) -> tuple[Counts, Gauges]:
        snapshot = self._core.snapshot
        return self._core.metrics.counts(dict(self._callers.refused), self._spool.dropped), Gauges(
            in_flight=self._callers.in_flight(),
            spool_bytes=self._spool.used,
            spool_limit_bytes=self._settings.spool_max_bytes,
            table_version=snapshot.table_version,
            table_age_s=_age(snapshot),
            confirmed_age_s=_confirmed_age(self._settings),
            callers_version=self._callers.version,
            loaded=[(version.model, version.number) for version in snapshot.loaded()],
            cold_versions=len(snapshot.cold()),
            memory_bytes=snapshot.memory.bytes,
            memory_limit_bytes=snapshot.memory.limit_bytes,
            memory_excess=bool(snapshot.memory.warning),
            refused_versions=len(snapshot.refused),
        )

    def _of_model(self, caller: Caller, name: str, tell: Callable[[str, Target, int], Answer]) -> Answer:
        target = self._core.snapshot.targets.get(name)
        if target is None or not caller.may_call(target.route.route.model_id):
            return self._core.unknown(name, V2)
        number = target.number if target.number is not None else target.route.route.arms[0].number
        return tell(name, target, number)

    def _status(self) -> dict[str, Any]:
        snapshot, spool, settings = self._core.snapshot, self._spool, self._settings
        return {
            "spool_id": spool.id,
            "ready": snapshot.is_ready,
            "table": {
                "version": snapshot.table_version,
                "published_at": snapshot.published_at or None,
                "age_s": _age(snapshot),
                "confirmed_s_ago": _confirmed_age(settings),
                "error": snapshot.table_error or None,
            },
            "callers": {
                "auth": settings.auth,
                "version": self._callers.version,
                "error": self._callers.error or None,
            },
            "models": {name: _route(loaded) for name, loaded in snapshot.routes.items()},
            "refused": snapshot.refused,
            "memory": {
                "bytes": snapshot.memory.bytes,
                "limit_bytes": snapshot.memory.limit_bytes or None,
                "warning": snapshot.memory.warning or None,
            },
            "spool": {
                "bytes": spool.used,
                "limit_bytes": settings.spool_max_bytes,
                "when_full": settings.when_full,
                "fsync": settings.fsync,
                "dropped": spool.dropped,
            },
            "shadow": {"waiting": self._shadow.waiting, "dropped": self._shadow.dropped},
        }


def gateway_state(snapshot: Snapshot, spool: Spool, callers: Callers, shadow: Shadow) -> GatewayState:
    """Return what the control plane reads of this process."""
    serving = {
        name: {arm.name: arm.number for arm in loaded.route.arms if arm.number in loaded.servables}
        for name, loaded in snapshot.routes.items()
    }
    return GatewayState(
        spool.id, snapshot.table_version, snapshot.table_error, serving, snapshot.loaded(), snapshot.refused,
        callers.version, callers.used(), snapshot.cold(), *snapshot.memory, shadow.dropped, snapshot.published_at,
    )  # fmt: skip


def _json(body: object, status: int = 200) -> Answer:
    return Answer(status, encode(body), [CONTENT_JSON])


def _readiness(name: str, target: Target, number: int) -> Answer:
    ready = number in target.route.servables
    return _json({"name": name, "ready": ready}, 200 if ready else 503)


def _metadata(name: str, target: Target, number: int) -> Answer:
    servable = target.route.servables.get(number)
    if servable is None:
        return refusal(Fault(503, f"version {number} is not loaded; see /status"), V2)
    return _json({
        "name": name,
        "versions": [str(version.number) for version in target.route.route.versions],
        "platform": servable.format,
        "inputs": [
            {"name": column.name, "datatype": TENSOR_OF[column.type], "shape": [-1]}
            for column in servable.signature.columns
        ],
        "outputs": servable.family.metadata(),
        **({"parameters": parameters} if (parameters := servable.family.parameters()) else {}),
    })  # fmt: skip


def _age(snapshot: Snapshot) -> float | None:
    if not snapshot.published_at:
        return None
    return round((datetime.now(UTC) - datetime.fromisoformat(snapshot.published_at)).total_seconds(), 1)


def _confirmed_age(settings: Settings) -> float | None:
    confirmed = confirmed_at(settings.routing_table_path)
    return confirmed and round(time.time() - confirmed, 1)


def _route(loaded: LoadedRoute) -> dict[str, Any]:
    route = loaded.route
    return {
        "table_version": loaded.table_version,
        "arms": [
            {"name": a.name, "version": a.number, "weight_bp": a.weight_bp, "loaded": a.number in loaded.servables}
            for a in route.arms
        ],
        "aliases": route.aliases,
        "standby": route.standby,
        "loaded": [
            {"version": s.number, "format": s.format, "runs_as": s.runs_as, "digest": s.digest, "bytes": s.bytes}
            for s in loaded.servables.values()
        ],
        "cold": [{"version": c.number, "bytes": c.bytes, "reason": c.reason or None} for c in loaded.cold.values()],
    }  # fmt: skip
