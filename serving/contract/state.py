"""What a gateway says of itself."""

import contextlib
from pathlib import Path

import msgspec


class LoadedVersion(msgspec.Struct, frozen=True):
    """A version that a gateway holds in memory."""

    model: str
    number: int
    digest: str
    bytes: int = 0  # that it takes, as measured in its trial


class ColdVersion(msgspec.Struct, frozen=True):
    """A version that a gateway loads when it is asked for, to stay within its memory."""

    model: str
    number: int
    digest: str
    bytes: int | None  # that it would take, once that was measured


class RefusedVersion(msgspec.Struct, frozen=True):
    """A version that a gateway would not load, and why."""

    model: str
    number: int
    digest: str
    status: int  # 415: not an allowed format; 422: not what was registered, or not a sound model
    reason: str


class GatewayState(msgspec.Struct, frozen=True):
    """What one gateway process serves now; it keeps this beside its segments as ``root/<spool id>/state.json``."""

    spool_id: str
    table_version: int  # of the table in force; 0 before the first
    table_error: str  # why the newest table on disk is not in force; empty where it is
    serving: dict[str, dict[str, int]]  # by model: the version of each arm, loaded and answering
    loaded: list[LoadedVersion]
    refused: list[RefusedVersion]
    callers_version: int = 0  # of the list of callers in force; 0 before the first
    callers: dict[int, float] = {}  # when each last asked, seconds since the epoch
    cold: list[ColdVersion] = []
    memory_bytes: int = 0  # that the loaded versions take
    memory_limit_bytes: int = 0  # that they may take; 0: any number
    memory_warning: str = ""  # why they take more
    shadow_dropped: int = 0  # answered requests that a shadow version should have been asked too, and was not
    published_at: str = (
        ""  # of the table in force: tells two of one number apart, after the control plane's database went back
    )


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateways of one host say of themselves, as they tell the control plane of another."""

    states: list[GatewayState]


STATE = "state.json"
STATES_PATH = "/api/v1/gateways/states"  # where a report is posted
ALIVE_S = 10.0  # a living gateway touches its state at least this often


def gateway_states(root: Path, *, now: float) -> list[GatewayState]:
    """Return the states of the gateways that live at ``now`` (seconds since the epoch), by spool id."""
    states = []
    for path in sorted(root.glob(f"*/{STATE}")):
        with contextlib.suppress(FileNotFoundError):  # a later life cleared it away
            if now - path.stat().st_mtime < ALIVE_S:
                states.append(msgspec.json.decode(path.read_bytes(), type=GatewayState))
    return states
