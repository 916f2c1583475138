"""What requests are answered from: the versions in memory and what each name stands for, as of one moment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import msgspec

from serving.contract import SHADOW, Arm, ColdVersion, LoadedVersion, RefusedVersion, Route
from serving.families import Family
from serving.inputs import Signature
from serving.privacy import Privacy
from serving.runtimes import Runtime


@dataclass(eq=False)
class Servable:
    """A version in memory."""

    number: int
    digest: str
    format: str
    runs_as: str  # the format that is loaded: another one where it was converted
    signature: Signature
    runtime: Runtime
    family: Family
    names: list[str]  # of what is recorded of each predicted row: the columns, and the step of a forecast
    bytes: int  # that it takes, as measured in the trial
    row_struct: Callable[..., msgspec.Struct] | None = field(init=False)  # see :func:`struct_of`
    used_at: float = 0.0  # when a pinned request last asked for it, seconds since the epoch

    def __post_init__(self) -> None:
        """Prepare to record."""
        self.row_struct = struct_of(self.names)


def struct_of(names: list[str]) -> type[msgspec.Struct] | None:
    """Return a struct with these fields, made and written faster than a dict; None where it could not be written as they are."""
    fields = [f"c{number}" for number in range(len(names))]
    try:
        return msgspec.defstruct("Recorded", fields, rename=dict(zip(fields, names, strict=True)), gc=False)
    except ValueError:  # a name twice, or one that msgspec would have to escape
        return None


@dataclass(eq=False)
class Cold:
    """A version that is listed and not in memory; the loader sees that it was asked for."""

    number: int
    digest: str
    bytes: int | None  # that it would take, once that was measured
    reason: str = ""  # why it stays cold although it was asked for
    asked: bool = False


@dataclass(frozen=True)
class LoadedRoute:
    """A route with those of its versions that are in memory, under the table that it came with."""

    route: Route
    table_version: int
    servables: dict[int, Servable]
    cold: dict[int, Cold]
    privacy: Privacy | None = None  # of its records; None where no column is sensitive

    @cached_property
    def answering_arms(self) -> list[Arm]:
        """The arms that answer callers."""
        return [arm for arm in self.route.arms if arm.name != SHADOW]

    @property
    def answering(self) -> set[int]:
        """The versions that answer callers."""
        return {arm.number for arm in self.answering_arms}

    @cached_property
    def mirrored_bp(self) -> int:
        """The largest share that a shadow has."""
        return max((arm.weight_bp for arm in self.shadows), default=0)

    @cached_property
    def shadows(self) -> list[Arm]:
        """The arms that are asked again what another answered."""
        return [arm for arm in self.route.arms if arm.name == SHADOW]


@dataclass(frozen=True)
class Target:
    """What a name in a URL stands for: a model by its routing, or one version of it."""

    route: LoadedRoute
    number: int | None = None


class Memory(NamedTuple):
    """What the versions in memory take, as measured in their trials."""

    bytes: int = 0
    limit_bytes: int = 0  # 0: none
    warning: str = ""


@dataclass(frozen=True)
class Snapshot:
    """All that requests need."""

    table_version: int
    published_at: str
    table_error: str
    routes: dict[str, LoadedRoute]
    targets: dict[str, Target]  # by "model", "model@alias" and "model/versions/3"
    refused: list[RefusedVersion]
    memory: Memory

    @property
    def is_ready(self) -> bool:
        """Whether a table is in force and every arm that answers callers can."""
        return self.table_version > 0 and all(
            number in loaded.servables for loaded in self.routes.values() for number in loaded.answering
        )

    def loaded(self) -> list[LoadedVersion]:
        """Return the versions in memory."""
        return [
            LoadedVersion(name, servable.number, servable.digest, servable.bytes)
            for name, loaded in sorted(self.routes.items())
            for servable in loaded.servables.values()
        ]

    def cold(self) -> list[ColdVersion]:
        """Return the versions that are listed and not in memory."""
        return [
            ColdVersion(name, cold.number, cold.digest, cold.bytes)
            for name, loaded in sorted(self.routes.items())
            for cold in loaded.cold.values()
        ]


EMPTY = Snapshot(0, "", "", {}, {}, [], Memory())


def targets(routes: Iterable[LoadedRoute]) -> dict[str, Target]:
    """Return what each name stands for. A model's own name comes before another's alias that reads the same."""
    named: dict[str, Target] = {}
    models: dict[str, Target] = {}
    for loaded in routes:
        route = loaded.route
        named |= {f"{route.model}/versions/{v.number}": Target(loaded, v.number) for v in route.versions}
        named |= {f"{route.model}@{alias}": Target(loaded, number) for alias, number in route.aliases.items()}
        models[route.model] = Target(loaded)
    return named | models
