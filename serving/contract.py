"""What the control plane and the data plane agree on: the routing table, the prediction record, a gateway's state.

Every other package may import this module, and nothing else of ``serving``.
"""

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

BASIS_POINTS = 10_000
CHAMPION = "champion"
SHADOW = "shadow"
# What a gateway loads, and what MLflow calls the model file; every other format is refused, never opened.
MODEL_FILES = {
    "lightgbm": ("model.lgb",),
    "xgboost": ("model.ubj", "model.json", "model.xgb"),
    "skops": ("model.skops",),
    "onnx": ("model.onnx",),
    "safetensors": ("model.safetensors",),
}
FORMATS = tuple(MODEL_FILES)

# Upper edges of the latency histogram, in microseconds: 1-2-5 steps from 50 us to 10 s; the last bin is open.
LATENCY_EDGES_US = (
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
)  # fmt: skip


class File(msgspec.Struct, frozen=True):
    """One file of an artifact: path relative to its folder, size in bytes, hex SHA-256."""

    path: str
    size: int
    sha256: str


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input column: an MLflow type (long, integer, double, float, boolean, string); known categories, if any."""

    name: str
    type: str
    required: bool = True
    categories: list[str] | None = None


class Reading(msgspec.Struct, frozen=True):
    """What a child process found in the files of an artifact."""

    format: str  # one of FORMATS, or what else the files are: pickle, torch, code, …
    columns: list[Column] = []
    outputs: list[dict[str, Any]] = []  # as MLflow's signature has them
    refusal: str = ""  # why a gateway could not serve it; empty where it can
    unsound: str = ""  # why the artifact is refused altogether
    example: dict[str, list[Any]] = {}  # {columns, rows}, a few
    dependencies: dict[str, Any] = {}  # {python, packages, from}, as declared
    flavors: list[str] = []
    licence: str = ""  # as declared


class Version(msgspec.Struct, frozen=True):
    """A version that the gateway keeps loaded."""

    number: int
    format: str  # one of FORMATS
    folder: str  # absolute path of the artifact's folder
    file: str  # the model file within it
    digest: str  # sha256:… over the manifest
    manifest: list[File]
    columns: list[Column]
    signature: str = ""  # over the manifest: a bundle in the OpenSSF model signing format
    governed: bool = False  # whether its team's rules ask for a signature before it answers


class Arm(msgspec.Struct, frozen=True):
    """One share of a model's traffic, in basis points."""

    name: str  # champion, canary or shadow
    number: int
    weight_bp: int


class Route(msgspec.Struct, frozen=True):
    """How requests for one model are answered."""

    model: str
    model_id: int
    task: str
    salt: str
    arms: list[Arm]
    aliases: dict[str, int]
    versions: list[Version]


class RoutingTable(msgspec.Struct, frozen=True):
    """The whole desired state of the data plane; ``version`` only grows."""

    version: int
    published_at: str  # ISO 8601, UTC
    routes: list[Route]


_CONFIRMED = ".confirmed"


class RoutingTableError(ValueError):
    """The table contradicts itself; says where."""


def check_table(table: RoutingTable) -> RoutingTable:
    """Return ``table`` if it is sound.

    Raises:
        RoutingTableError: two routes share a name, weights are negative or do not add up to 10,000, or an arm or alias
            names a version that is not listed.
    """
    names = [route.model for route in table.routes]
    if len(set(names)) != len(names):
        raise RoutingTableError("two routes share a model name")
    for route in table.routes:
        listed = {version.number for version in route.versions}
        weights = [arm.weight_bp for arm in route.arms if arm.name != SHADOW]
        if sum(weights) != BASIS_POINTS or min(weights) < 0:
            raise RoutingTableError(f"{route.model}: weights {weights} are no shares of {BASIS_POINTS}")
        unknown = ({arm.number for arm in route.arms} | set(route.aliases.values())) - listed
        if unknown:
            raise RoutingTableError(f"{route.model}: no version {sorted(unknown)} is listed")
    return table


def key_hash(salt: str, key: str) -> int:
    """Return the 64-bit hash of a caller's key: the same on every machine and in every release, other for each salt."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, key=salt.encode()[:64]).digest(), "little")


def arm_for(arms: list[Arm], hashed: int) -> Arm:
    """Return the arm that answers a key: each arm takes a run of basis points, in the order of ``arms``.

    Where the last arm's weight grows, no key leaves it: who saw the canary keeps seeing it.

    Args:
        arms: weights add up to 10,000; shadow arms answer nobody.
        hashed: of :func:`key_hash`.
    """
    point = hashed * BASIS_POINTS >> 64
    for arm in arms:
        if arm.name != SHADOW:
            if point < arm.weight_bp:
                return arm
            point -= arm.weight_bp
    raise ValueError("the weights of the arms add up to less than 10,000")


def write_table(table: RoutingTable, path: Path) -> None:
    """Replace the table at ``path`` in one step, so that a reader sees the old or the new one whole."""
    _replace(path, msgspec.json.encode(check_table(table)), mode=0o644)


def _replace(path: Path, data: bytes, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # an older one may have another mode
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


def read_table(path: Path) -> RoutingTable:
    """Return the table at ``path``.

    Raises:
        FileNotFoundError: nothing was published yet.
        msgspec.ValidationError, RoutingTableError: the file is not a sound table.
    """
    return check_table(msgspec.json.decode(path.read_bytes(), type=RoutingTable))


def confirm_table(path: Path) -> None:
    """Note that the table at ``path`` is still what the control plane wants, without touching the table."""
    path.with_suffix(_CONFIRMED).touch()


def confirmed_at(path: Path) -> float | None:
    """Return when the control plane last confirmed the table (seconds since the epoch); None if it never did."""
    try:
        return path.with_suffix(_CONFIRMED).stat().st_mtime
    except FileNotFoundError:
        return None


def model_file(format_name: str, paths: Iterable[str]) -> str | None:
    """Return the model file among an artifact's ``paths``; None where there is none, or the format is not served."""
    return next((name for name in MODEL_FILES.get(format_name, ()) if name in set(paths)), None)


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who may ask for predictions: a token of the control plane, known by its digest. None: no bound of its own."""

    id: int
    digest: str  # sha256:… over the secret, which is nowhere
    models: list[int]  # ids of the models that it may call
    expires_at: float | None = None  # seconds since the epoch
    requests_per_s: float | None = None
    burst: int | None = None  # requests at once after a pause
    in_flight: int | None = None  # requests at the same time


class CallerList(msgspec.Struct, frozen=True):
    """All that may call, beside the routing table since it changes more often; ``version`` only grows."""

    version: int
    published_at: str  # ISO 8601, UTC
    callers: list[Caller]


def callers_path(table: Path) -> Path:
    """Return where the list of callers lies that goes with the table at ``table``."""
    return table.with_suffix(".callers")


def write_callers(callers: CallerList, path: Path) -> None:
    """Replace the list at ``path`` in one step; its owner alone can read it."""
    _replace(path, msgspec.json.encode(callers), mode=0o600)


def read_callers(path: Path) -> CallerList:
    """Return the list at ``path``.

    Raises:
        FileNotFoundError: nothing was published yet.
        msgspec.DecodeError: the file is no list of callers.
    """
    return msgspec.json.decode(path.read_bytes(), type=CallerList)


def manifest_digest(manifest: list[File]) -> str:
    """Return ``sha256:…`` over the files of an artifact, independent of their order."""
    lines = "".join(f"{file.sha256}  {file.size}  {file.path}\n" for file in sorted(manifest, key=lambda f: f.path))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


class PredictionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row answered (or failed) by one version. Fields are only ever added at the end."""

    request_id: str
    row: int  # position in the request, from 0
    at: float  # seconds since the epoch, UTC, when the request arrived
    model: str
    model_id: int
    number: int  # version
    arm: str
    table_version: int
    weight_bp: int  # of the arm, in force at the request
    key_hash: int  # 64-bit hash of the caller's key, which decided the arm
    pinned: bool  # the caller named the version or forced the arm: never enters verdicts
    status: int  # as HTTP
    latency_us: int
    inputs: dict[str, float | int | bool | str | None]
    outputs: dict[str, float | int | str]  # empty where the request failed
    error: str = ""


_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PredictionRecord).decode

SEALED = ".segment"  # a finished segment; a file being written ends in .open


def frame(record: PredictionRecord) -> bytes:
    """Return the record as a segment holds it: four bytes of length (little endian), then MessagePack."""
    body = _encode(record)
    return _LENGTH.pack(len(body)) + body


def read_segment(path: Path) -> Iterator[PredictionRecord]:
    """Yield the records of a segment; a torn last record (its writer was killed) was never acknowledged and is left out."""
    data = path.read_bytes()
    at = 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        end = at + _LENGTH.size + length
        if end > len(data):
            return
        yield _decode(data[at + _LENGTH.size : end])
        at = end


def sealed_segments(root: Path) -> list[Path]:
    """Return finished segments, oldest first: ``root/<spool id>/<number>.segment``; never one without those before it.

    A listing may miss a file that is renamed meanwhile, and still show a later one. Segments are sealed in order, so
    whatever the first listing shows, the second one has all that came before.
    """
    newest: dict[Path, Path] = {}
    for path in root.glob(f"*/*{SEALED}"):
        newest[path.parent] = max(path, newest.get(path.parent, path))
    return sorted(p for p in root.glob(f"*/*{SEALED}") if p.parent in newest and p <= newest[p.parent])


class LoadedVersion(msgspec.Struct, frozen=True):
    """A version that a gateway holds in memory."""

    model: str
    number: int
    digest: str


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


STATE = "state.json"
ALIVE_S = 10.0  # a living gateway touches its state at least this often


def gateway_states(root: Path, *, now: float) -> list[GatewayState]:
    """Return the states of the gateways that live at ``now`` (seconds since the epoch), by spool id."""
    states = []
    for path in sorted(root.glob(f"*/{STATE}")):
        with contextlib.suppress(FileNotFoundError):  # a later life cleared it away
            if now - path.stat().st_mtime < ALIVE_S:
                states.append(msgspec.json.decode(path.read_bytes(), type=GatewayState))
    return states
