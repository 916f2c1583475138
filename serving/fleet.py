"""Which versions are in memory: follows the routing table, loads what it lists, and lets go of what nobody needs."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from serving.artifacts import ArtifactError
from serving.contract import RefusedVersion, Route, RoutingTable, RoutingTableError, Version, read_table
from serving.loading import least_bytes, load, measure
from serving.privacy import privacy_of
from serving.signatures import Trust
from serving.snapshot import EMPTY, Cold, LoadedRoute, Memory, Servable, Snapshot, targets

logger = logging.getLogger("serving")

RETRY_REFUSED_S = 30.0  # an artifact that was still being copied may be whole by then


class Listed(NamedTuple):
    """A version that the table lists; one that stays is never let go to save memory."""

    route: Route
    version: Version
    stays: bool


class Fleet:
    """Follows the routing table on disk; one thread at a time calls ``follow``.

    A version is checked for its signature, loaded and warm before anything is routed to it, and whatever is loaded already switches at once. A
    route whose arms cannot all be loaded stays as it was; so does everything where the table itself is broken.

    Arms and what stands by for a rollback stay in memory. Of the rest those stay that fit into ``memory_bytes``, the
    least recently used go cold, and a cold one is loaded again when it is asked for.
    """

    def __init__(
        self, path: Path, on_change: Callable[[Snapshot], None], *, trust: Trust | None = None, memory_bytes: int = 0,
        log_key: str = "",
    ) -> None:  # fmt: skip
        """Follow the table at ``path``.

        Args:
            memory_bytes: that the versions in memory may take; 0: any number.
            log_key: of the hashes that stand for sensitive values in records.
        """
        self.snapshot = EMPTY
        self._path = path
        self._on_change = on_change
        self._trust = trust or Trust()
        self._limit = memory_bytes
        self._log_key = log_key
        self._table: RoutingTable | None = None
        self._seen: tuple[int, int, int] | None = None
        self._listed: dict[bytes, Listed] = {}
        self._servables: dict[bytes, Servable] = {}
        self._cold: dict[bytes, Cold] = {}
        self._refused: dict[bytes, RefusedVersion] = {}
        self._unproven: dict[bytes, RefusedVersion] = {}  # for their signature, loaded or not
        self._refused_at = 0.0

    def follow(self) -> None:
        """Refresh if the table on disk changed, or a refused version is due for another try; load what was asked for."""
        retry = (self._refused or self._unproven) and time.monotonic() - self._refused_at > RETRY_REFUSED_S
        if retry or _stamp(self._path) not in (None, self._seen):
            self.refresh()
        if asked := [key for key, cold in self._cold.items() if cold.asked]:
            for key in asked:
                self._cold[key].asked = False
                self._load(key, asked=True)
            self._swap()

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
        self._listed = {_key(listed): listed for listed in _most_needed_first(table)}
        self._cold = {key: cold for key, cold in self._cold.items() if key in self._listed}
        for cold in self._cold.values():
            cold.reason = ""
        self._refused = {key: refused for key, refused in self._refused.items() if key in self._listed}
        self._unproven = {key: found for key, one in self._listed.items() if (found := self._signature_fault(one))}
        self._swap()
        for key in self._listed:
            if key not in self._servables and key not in self._unproven:
                self._load(key)
                self._swap()
        self._forget_unused()

    def _signature_fault(self, listed: Listed) -> RefusedVersion | None:
        route, version, _ = listed
        try:
            self._trust.check(version, answers=version.number in {arm.number for arm in route.arms})
        except ArtifactError as error:
            return _refusal(listed, error)
        return None

    def _load(self, key: bytes, *, asked: bool = False) -> None:
        """Load a version, unless there is no room for one that nobody needs at once."""
        listed = self._listed[key]
        cold = self._cold[key]
        try:
            least = cold.bytes or least_bytes(listed.version)
            room = self._make_room(least, stays=listed.stays, asked=asked)
            if room and cold.bytes is None:
                least = cold.bytes = measure(listed.version)
                room = self._make_room(least, stays=listed.stays, asked=asked)
            if room:
                self._servables[key] = load(listed.version, listed.route.task, least)
                del self._cold[key]
                logger.info("loaded %s version %d", listed.route.model, listed.version.number)
            elif asked:
                cold.reason = f"takes {least} bytes or more, for which MODEL_MEMORY_BYTES leaves no room"
            self._refused.pop(key, None)
        except ArtifactError as error:
            self._refused[key] = _refusal(listed, error)

    def _make_room(self, size: int, *, stays: bool, asked: bool) -> bool:
        """Let go of what was used least recently, for a version that stays or was asked for; tell whether it may be loaded."""
        excess = self._used() + size - self._limit
        if not self._limit or excess <= 0:
            return True
        idle = self._idle() if stays or asked else []
        if not stays and sum(servable.bytes for _, servable in idle) < excess:
            return False
        self._let_go(idle, excess)
        return True

    def _let_go(self, idle: list[tuple[bytes, Servable]], excess: int) -> None:
        for key, servable in idle:
            if excess > 0:
                excess -= servable.bytes
                del self._servables[key]
                self._cold[key] = Cold(servable.number, servable.digest, servable.bytes)

    def _idle(self) -> list[tuple[bytes, Servable]]:
        """Return what may go cold, the least recently used first."""
        answering = {
            id(loaded.servables.get(arm.number))
            for loaded in self.snapshot.routes.values() for arm in loaded.route.arms
        }  # fmt: skip
        idle = [
            (key, servable) for key, servable in self._servables.items()
            if key in self._listed and not self._listed[key].stays and id(servable) not in answering
        ]  # fmt: skip
        return sorted(idle, key=lambda pair: (pair[1].used_at, pair[1].number))

    def _used(self) -> int:
        return sum(servable.bytes for key, servable in self._servables.items() if key in self._listed)

    def _swap(self, table_error: str = "") -> None:
        """Compose a new snapshot from the table and what is loaded, and put it in force."""
        table = self._table
        if table is None:
            self.snapshot = replace(EMPTY, table_error=table_error)
        else:
            routes = {route.model: self._compose(route, table.version) for route in table.routes}
            self.snapshot = Snapshot(
                table.version, table.published_at, table_error, routes, targets(routes.values()),
                list((self._refused | self._unproven).values()), self._memory(),
            )  # fmt: skip
        self._on_change(self.snapshot)

    def _compose(self, route: Route, table_version: int) -> LoadedRoute:
        servables, cold = {}, {}
        for version in route.versions:
            key = _key(Listed(route, version, stays=False))
            if key in self._servables and key not in self._unproven:
                servables[version.number] = self._servables[key]
            elif key not in self._servables:
                found = self._cold.setdefault(key, Cold(version.number, version.digest, None))
                if key not in self._unproven and key not in self._refused:
                    cold[version.number] = found
        composed = LoadedRoute(route, table_version, servables, cold, privacy_of(route, self._log_key))
        before = self.snapshot.routes.get(route.model)
        if before and before.route.model_id == route.model_id and composed.answering - set(servables):
            return replace(before, privacy=composed.privacy)
        return composed

    def _memory(self) -> Memory:
        used, warning = self._used(), ""
        if self._limit and used > self._limit:
            warning = f"what has to stay loaded takes {used} bytes, more than MODEL_MEMORY_BYTES ({self._limit}) allows"
        return Memory(used, self._limit, warning)

    def _forget_unused(self) -> None:
        used = {id(servable) for loaded in self.snapshot.routes.values() for servable in loaded.servables.values()}
        self._servables = {key: servable for key, servable in self._servables.items() if id(servable) in used}
        if self._limit and (excess := self._used() - self._limit) > 0 and (idle := self._idle()):
            self._let_go(idle, excess)
            self._swap()
        if self.snapshot.memory.warning:
            logger.warning("%s; nothing is unloaded", self.snapshot.memory.warning)


def _refusal(listed: Listed, error: ArtifactError) -> RefusedVersion:
    route, version, _ = listed
    logger.warning("refused %s version %d: %s", route.model, version.number, error)
    return RefusedVersion(route.model, version.number, version.digest, error.status, str(error))


def _most_needed_first(table: RoutingTable) -> list[Listed]:
    """Return all versions: those that answer, those that stand by, and the others, newest first."""
    ranked = []
    for route in table.routes:
        arms = {arm.number for arm in route.arms}
        for version in route.versions:
            rank = 0 if version.number in arms else 1 if version.number in route.standby else 2
            ranked.append((rank, Listed(route, version, stays=rank < 2)))
    return [listed for _, listed in sorted(ranked, key=lambda pair: pair[0])]


def _key(listed: Listed) -> bytes:
    """Return what tells versions in memory apart; one that was warm before it was signed stays so."""
    route, version, _ = listed
    converted = version.converted and msgspec.structs.replace(version.converted, signature="")
    unsigned = msgspec.structs.replace(version, signature="", governed=False, converted=converted)
    return msgspec.json.encode((route.model, route.task, unsigned))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
