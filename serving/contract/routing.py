"""The routing table: which version answers which request.

It may hold thousands of routes, which refer to nothing that refers to them: ``gc=False`` spares whoever reads it that they are looked through
for cycles over and over.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from serving.contract.artifacts import Column, File
from serving.contract.files import replace

BASIS_POINTS = 10_000
CHAMPION = "champion"
CANARY = "canary"
RANKING, FORECASTING, RETRIEVAL = "ranking", "forecasting", "retrieval"  # tasks whose answers have a shape of their own
SHADOW = "shadow"
_CONFIRMED = ".confirmed"


class Converted(msgspec.Struct, frozen=True, gc=False):
    """A version's model as an ONNX file, which is loaded in its place."""

    folder: str  # absolute path
    file: File
    signature: str = ""  # over that file: a bundle in the OpenSSF model signing format


class Version(msgspec.Struct, frozen=True, gc=False):
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
    parameters: dict[str, Any] = {}  # of MLflow's signature: name and default
    converted: Converted | None = None


class Arm(msgspec.Struct, frozen=True, gc=False):
    """One share of a model's traffic, in basis points."""

    name: str  # champion, canary or shadow
    number: int
    weight_bp: int


class Route(msgspec.Struct, frozen=True, gc=False):
    """How requests for one model are answered."""

    model: str
    model_id: int
    task: str
    salt: str
    arms: list[Arm]
    aliases: dict[str, int]
    versions: list[Version]
    standby: list[int] = []  # stay loaded beside the arms: the former champion, which a rollback switches to at once
    key_column: str = ""  # the input column whose first row's value routes where the caller sends no X-Route-Key
    sensitive: dict[str, str] = {}  # input columns that the log holds dropped, hashed or masked: drop, hash or mask


class RoutingTable(msgspec.Struct, frozen=True, gc=False):
    """The whole desired state of the data plane; ``version`` only grows."""

    version: int
    published_at: str  # ISO 8601, UTC
    routes: list[Route]


class RoutingTableError(ValueError):
    """The table contradicts itself; says where."""


def check_table(table: RoutingTable) -> RoutingTable:
    """Return ``table`` if it is sound.

    Raises:
        RoutingTableError: two routes share a name, weights are negative or do not add up to 10,000, an arm or alias
            names a version that is not listed, or a route's key is a sensitive column.
    """
    names = [route.model for route in table.routes]
    if len(set(names)) != len(names):
        raise RoutingTableError("two routes share a model name")
    for route in table.routes:
        listed = {version.number for version in route.versions}
        weights = [arm.weight_bp for arm in route.arms if arm.name != SHADOW]
        shadows = [arm.weight_bp for arm in route.arms if arm.name == SHADOW]
        if any(not 0 <= weight <= BASIS_POINTS for weight in shadows):
            raise RoutingTableError(f"{route.model}: shadow weights {shadows} are no shares of {BASIS_POINTS}")
        if sum(weights) != BASIS_POINTS or min(weights) < 0:
            raise RoutingTableError(f"{route.model}: weights {weights} are no shares of {BASIS_POINTS}")
        unknown = {arm.number for arm in route.arms}.union(route.aliases.values(), route.standby) - listed
        if unknown:
            raise RoutingTableError(f"{route.model}: no version {sorted(unknown)} is listed")
        if route.key_column and route.key_column in route.sensitive:
            raise RoutingTableError(
                f"{route.model}: key_column {route.key_column} is sensitive, and records hold the key's hash, whose salt is known: "
                "who tries all values finds it. Route by another column, or have callers send X-Route-Key"
            )
    return table


def key_hash(salt: str, key: str) -> int:
    """Return the 64-bit hash of a caller's key: the same on every machine and in every release, other for each salt."""
    hasher = _salted(salt).copy()
    hasher.update(key.encode())
    return int.from_bytes(hasher.digest(), "little")


@lru_cache(1024)
def _salted(salt: str) -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=8, key=salt.encode()[:64])


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


def mirrors(arms: list[Arm], hashed: int) -> list[Arm]:
    """Return the shadow arms that are asked what another arm answered to a key.

    Args:
        hashed: of :func:`key_hash`.
    """
    point = shadow_point(hashed)
    return [arm for arm in arms if arm.name == SHADOW and point < arm.weight_bp]


def shadow_point(hashed: int) -> int:
    """Return the basis point, from 0, that a key takes among shadows: below a shadow's weight it is asked.

    The lower half of the hash decides, so that a shadow's share has nothing to do with the canary's, which the upper half decides.
    """
    return (hashed & 0xFFFF_FFFF) * BASIS_POINTS >> 32


def write_table(table: RoutingTable, path: Path) -> None:
    """Replace the table at ``path`` in one step, so that a reader sees the old or the new one whole."""
    replace(path, msgspec.json.encode(check_table(table)), mode=0o644)


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
