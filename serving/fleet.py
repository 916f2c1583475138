"""What a gateway serves: loaded versions, and which of them answers which name. Swapped whole, never changed in place."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from serving.artifacts import UNSOUND, ArtifactError, read_model_file
from serving.contract import (
    LoadedVersion,
    RefusedVersion,
    Route,
    RoutingTable,
    RoutingTableError,
    Version,
    read_table,
)
from serving.families import Family, fit
from serving.horizons import HORIZON
from serving.inputs import Signature
from serving.probe import probe
from serving.runtimes import Runtime, load_runtime
from serving.signatures import Trust

logger = logging.getLogger("serving")

RETRY_REFUSED_S = 30.0  # an artifact that was still being copied may be whole by then


@dataclass(frozen=True)
class Servable:
    """A version in memory."""

    number: int
    digest: str
    format: str
    signature: Signature
    runtime: Runtime
    family: Family
    names: list[str]  # of what is recorded of each predicted row: the columns, and the step of a forecast


@dataclass(frozen=True)
class LoadedRoute:
    """A route with those of its versions that are in memory, under the table that it came with."""

    route: Route
    table_version: int
    servables: dict[int, Servable]


@dataclass(frozen=True)
class Target:
    """What a name in a URL stands for: a model by its routing, or one version of it."""

    route: LoadedRoute
    number: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """All that requests need, as of one moment."""

    table_version: int
    published_at: str
    table_error: str
    routes: dict[str, LoadedRoute]
    targets: dict[str, Target]  # by "model", "model@alias" and "model/versions/3"
    refused: list[RefusedVersion]

    @property
    def is_ready(self) -> bool:
        """Whether a table is in force and every arm of it can answer."""
        return self.table_version > 0 and all(
            arm.number in loaded.servables for loaded in self.routes.values() for arm in loaded.route.arms
        )

    def loaded(self) -> list[LoadedVersion]:
        """Return the versions in memory."""
        return [
            LoadedVersion(name, servable.number, servable.digest)
            for name, loaded in sorted(self.routes.items())
            for servable in loaded.servables.values()
        ]


EMPTY = Snapshot(0, "", "", {}, {}, [])


class Fleet:
    """Follows the routing table on disk; one thread at a time calls ``follow``.

    A version is checked for its signature, loaded and warm before anything is routed to it, and whatever is loaded already switches at once. A
    route whose arms cannot all be loaded stays as it was; so does everything where the table itself is broken.
    """

    def __init__(self, path: Path, on_change: Callable[[Snapshot], None], *, trust: Trust | None = None) -> None:
        self.snapshot = EMPTY
        self._path = path
        self._on_change = on_change
        self._trust = trust or Trust()
        self._table: RoutingTable | None = None
        self._seen: tuple[int, int, int] | None = None
        self._servables: dict[bytes, Servable] = {}
        self._refused: dict[bytes, RefusedVersion] = {}
        self._unproven: dict[bytes, RefusedVersion] = {}  # for their signature, loaded or not
        self._refused_at = 0.0

    def follow(self) -> None:
        """Refresh if the table on disk changed, or a refused version is due for another try."""
        retry = (self._refused or self._unproven) and time.monotonic() - self._refused_at > RETRY_REFUSED_S
        if retry or _stamp(self._path) not in (None, self._seen):
            self.refresh()

    def refresh(self) -> None:
        """Take up the table on disk; what is wrong with it ends up in the snapshot, never as an exception."""
        self._seen = _stamp(self._path)
        self._refused_at = time.monotonic()
        try:
            table = read_table(self._path)
            if self._table and table.version < self._table.version:
                raise RoutingTableError(f"version {table.version} is older than {self._table.version}, in force")
        except (OSError, msgspec.DecodeError, RoutingTableError) as error:
            logger.warning("the routing table is refused: %s", error)
            self._swap(f"{error}")
            return
        self._table = table
        listed = {_key(route, version): (route, version) for route, version in _arms_first(table)}
        self._refused = {key: refused for key, refused in self._refused.items() if key in listed}
        self._unproven = {key: found for key, pair in listed.items() if (found := self._signature_fault(*pair))}
        self._swap()
        for key, (route, version) in listed.items():
            if key not in self._servables and key not in self._unproven:
                self._load(route, version, key)
                self._swap()
        self._forget_unused()

    def _signature_fault(self, route: Route, version: Version) -> RefusedVersion | None:
        try:
            self._trust.check(version, answers=version.number in {arm.number for arm in route.arms})
        except ArtifactError as error:
            logger.warning("refused %s version %d: %s", route.model, version.number, error)
            return RefusedVersion(route.model, version.number, version.digest, error.status, str(error))
        return None

    def _load(self, route: Route, version: Version, key: bytes) -> None:
        try:
            self._servables[key] = load(version, route.task)
            self._refused.pop(key, None)
            logger.info("loaded %s version %d", route.model, version.number)
        except ArtifactError as error:
            logger.warning("refused %s version %d: %s", route.model, version.number, error)
            self._refused[key] = RefusedVersion(route.model, version.number, version.digest, error.status, str(error))

    def _swap(self, table_error: str = "") -> None:
        """Compose a new snapshot from the table and what is loaded, and put it in force."""
        table = self._table
        if table is None:
            self.snapshot = replace(EMPTY, table_error=table_error)
        else:
            routes = {route.model: self._compose(route, table.version) for route in table.routes}
            self.snapshot = Snapshot(
                table.version, table.published_at, table_error, routes, _targets(routes.values()), list((self._refused | self._unproven).values()),
            )  # fmt: skip
        self._on_change(self.snapshot)

    def _compose(self, route: Route, table_version: int) -> LoadedRoute:
        servables = {
            v.number: self._servables[key]
            for v in route.versions
            if (key := _key(route, v)) in self._servables and key not in self._unproven
        }
        before = self.snapshot.routes.get(route.model)
        if before and before.route.model_id == route.model_id and {arm.number for arm in route.arms} - set(servables):
            return before
        return LoadedRoute(route, table_version, servables)

    def _forget_unused(self) -> None:
        used = {id(servable) for loaded in self.snapshot.routes.values() for servable in loaded.servables.values()}
        self._servables = {key: servable for key, servable in self._servables.items() if id(servable) in used}


def load(version: Version, task: str) -> Servable:
    """Return the version in memory, after its files were found unchanged and a child process survived loading it.

    Raises:
        ArtifactError: it is refused; says why.
    """
    data = read_model_file(version)
    try:
        probe(version.format, data, version.columns)
        loaded = load_runtime(version.format, data, version.columns)
        family, runtime, asked = fit(task, version, loaded)
        signature = Signature(asked)
        names = signature.names if family.by_row else [*signature.names, HORIZON]
    except ValueError as error:
        raise ArtifactError(str(error), UNSOUND) from error
    return Servable(version.number, version.digest, version.format, signature, runtime, family, names)


def _targets(routes: Iterable[LoadedRoute]) -> dict[str, Target]:
    """Return what each name stands for. A model's own name comes before another's alias that reads the same."""
    named: dict[str, Target] = {}
    models: dict[str, Target] = {}
    for loaded in routes:
        route = loaded.route
        pins = {f"versions/{version.number}": version.number for version in route.versions}
        named |= {f"{route.model}/{pin}": Target(loaded, n) for pin, n in pins.items()}
        named |= {f"{route.model}@{alias}": Target(loaded, n) for alias, n in route.aliases.items()}
        models[route.model] = Target(loaded)
    return named | models


def _arms_first(table: RoutingTable) -> list[tuple[Route, Version]]:
    pairs = [(route, version) for route in table.routes for version in route.versions]
    return sorted(pairs, key=lambda pair: pair[1].number not in {arm.number for arm in pair[0].arms})


def _key(route: Route, version: Version) -> bytes:
    """Return what tells versions in memory apart; one that was warm before it was signed stays so."""
    return msgspec.json.encode(
        (route.model, route.task, msgspec.structs.replace(version, signature="", governed=False))
    )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
