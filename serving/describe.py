"""What a gateway says about itself and its models: health, metadata, status. Reads one snapshot; changes nothing."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from serving.contract import GatewayState, confirmed_at
from serving.core import Answer, Core, error_answer
from serving.fleet import LoadedRoute, Snapshot, Target
from serving.inputs import TENSOR_OF
from serving.protocol import encode
from serving.settings import Settings
from serving.spool import Spool

VERSION = "0.1.0"
EXTENSIONS = ["binary_tensor_data"]


def describe(path: str, *, settings: Settings, core: Core, spool: Spool) -> Answer:
    """Return the answer to ``GET path``."""
    snapshot = core.snapshot
    match path.strip("/").split("/"):
        case ["v2", "health", "live"]:
            return _json({"live": True})
        case ["v2", "health", "ready"]:
            return _json({"ready": snapshot.is_ready}, 200 if snapshot.is_ready else 503)
        case ["v2"]:
            return _json({"name": "gateway", "version": VERSION, "extensions": EXTENSIONS})
        case ["v2", "models", *name, "ready"] if name:
            return _of_model(snapshot, "/".join(name), _readiness)
        case ["v2", "models", *name] if name:
            return _of_model(snapshot, "/".join(name), _metadata)
        case ["status"]:
            return _json(_status(settings, snapshot, spool))
        case ["metrics"]:
            return Answer(200, core.metrics.text(), [(b"content-type", b"text/plain; version=0.0.4")])
    return error_answer(404, "there is no such address; /v2 and /status say what is here")


def gateway_state(snapshot: Snapshot, spool: Spool) -> GatewayState:
    """Return what the control plane reads of this process."""
    serving = {
        name: {arm.name: arm.number for arm in loaded.route.arms if arm.number in loaded.servables}
        for name, loaded in snapshot.routes.items()
    }
    return GatewayState(
        spool.id, snapshot.table_version, snapshot.table_error, serving, snapshot.loaded(), snapshot.refused
    )


def _json(body: object, status: int = 200) -> Answer:
    return Answer(status, encode(body), [(b"content-type", b"application/json")])


def _of_model(snapshot: Snapshot, name: str, describe: Callable[[str, Target, int], Answer]) -> Answer:
    target = snapshot.targets.get(name)
    if target is None:
        return error_answer(404, f"no model, alias or version is served under {name[:200]!r}")
    number = target.number if target.number is not None else target.route.route.arms[0].number
    return describe(name, target, number)


def _readiness(name: str, target: Target, number: int) -> Answer:
    ready = number in target.route.servables
    return _json({"name": name, "ready": ready}, 200 if ready else 503)


def _metadata(name: str, target: Target, number: int) -> Answer:
    servable = target.route.servables.get(number)
    if servable is None:
        return error_answer(503, f"version {number} is not loaded; see /status")
    output = servable.runtime.output
    return _json({
        "name": name,
        "versions": [str(version.number) for version in target.route.route.versions],
        "platform": servable.format,
        "inputs": [
            {"name": column.name, "datatype": TENSOR_OF[column.type], "shape": [-1]}
            for column in servable.signature.columns
        ],
        "outputs": [
            {"name": output.name, "datatype": "FP64", "shape": [-1] if output.width == 1 else [-1, output.width]}
        ],
    })  # fmt: skip


def _status(settings: Settings, snapshot: Snapshot, spool: Spool) -> dict[str, Any]:
    now = time.time()
    confirmed = confirmed_at(settings.routing_table_path)
    published = datetime.fromisoformat(snapshot.published_at) if snapshot.published_at else None
    return {
        "spool_id": spool.id,
        "ready": snapshot.is_ready,
        "table": {
            "version": snapshot.table_version,
            "published_at": snapshot.published_at or None,
            "age_s": published and round((datetime.now(UTC) - published).total_seconds(), 1),
            "confirmed_s_ago": confirmed and round(now - confirmed, 1),
            "error": snapshot.table_error or None,
        },
        "models": {name: _route(loaded) for name, loaded in snapshot.routes.items()},
        "refused": snapshot.refused,
        "spool": {
            "bytes": spool.used,
            "limit_bytes": settings.spool_max_bytes,
            "when_full": settings.when_full,
            "fsync": settings.fsync,
            "dropped": spool.dropped,
        },
    }


def _route(loaded: LoadedRoute) -> dict[str, Any]:
    route = loaded.route
    return {
        "table_version": loaded.table_version,
        "arms": [
            {"name": a.name, "version": a.number, "weight_bp": a.weight_bp, "loaded": a.number in loaded.servables}
            for a in route.arms
        ],
        "aliases": route.aliases,
        "loaded": [{"version": s.number, "format": s.format, "digest": s.digest} for s in loaded.servables.values()],
    }  # fmt: skip
