"""What the control plane and the data plane agree on: the routing table, the prediction record, a gateway's state.

Every other package may import this one, and nothing else of ``serving``.
"""

from serving.contract.artifacts import FORMATS, MODEL_FILES, Column, File, Reading, manifest_digest, model_file
from serving.contract.callers import Caller, CallerList, callers_path, read_callers, write_callers
from serving.contract.records import LATENCY_EDGES_US, SEALED, PredictionRecord, frame, read_segment, sealed_segments
from serving.contract.routing import (
    BASIS_POINTS,
    CHAMPION,
    FORECASTING,
    RANKING,
    SHADOW,
    Arm,
    Route,
    RoutingTable,
    RoutingTableError,
    Version,
    arm_for,
    check_table,
    confirm_table,
    confirmed_at,
    key_hash,
    read_table,
    write_table,
)
from serving.contract.state import ALIVE_S, STATE, GatewayState, LoadedVersion, RefusedVersion, gateway_states

__all__ = [
    "ALIVE_S",
    "BASIS_POINTS",
    "CHAMPION",
    "FORECASTING",
    "FORMATS",
    "LATENCY_EDGES_US",
    "MODEL_FILES",
    "RANKING",
    "SEALED",
    "SHADOW",
    "STATE",
    "Arm",
    "Caller",
    "CallerList",
    "Column",
    "File",
    "GatewayState",
    "LoadedVersion",
    "PredictionRecord",
    "Reading",
    "RefusedVersion",
    "Route",
    "RoutingTable",
    "RoutingTableError",
    "Version",
    "arm_for",
    "callers_path",
    "check_table",
    "confirm_table",
    "confirmed_at",
    "frame",
    "gateway_states",
    "key_hash",
    "manifest_digest",
    "model_file",
    "read_callers",
    "read_segment",
    "read_table",
    "sealed_segments",
    "write_callers",
    "write_table",
]
