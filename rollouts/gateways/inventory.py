"""The inventory: which gateway process holds which version, as far as the reader's teams own it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models.functions import Now

from registry.models import RegisteredModel, Team
from rollouts.gateways.reports import ALIVE, state_of, unknown_versions
from rollouts.models import GatewayProcess, RoutingTable
from serving.contract import GatewayState

HELD, COLD, REFUSED, UNKNOWN = "loaded", "cold", "refused", "unknown"


@dataclass(frozen=True)
class Process:
    """One gateway process, alive or gone.

    Attributes:
        host: and ``pid``: as its spool's name says them.
        through: whose token told it; empty where it shares the control plane's disk.
        behind: tables published since the one that it follows.
        published_at: of that table; None before the first.
        hidden: versions of other teams that it holds.
        unknown: whether it holds one that the registry does not know.
    """

    spool_id: str
    host: str
    pid: str
    through: str
    alive: bool
    first_seen_at: datetime
    last_seen_at: datetime
    state: GatewayState
    behind: int
    published_at: datetime | None
    hidden: int
    unknown: bool


@dataclass(frozen=True)
class Holding:
    """One version as living gateways hold it.

    Attributes:
        known: whether a page of it can be shown.
        bytes: that it takes in memory; None where that is not known.
        reason: why it is refused.
        hosts: the processes, as ``host/pid``.
    """

    model: str
    number: int
    digest: str
    state: str
    known: bool
    bytes: int | None
    reason: str
    hosts: list[str] = field(default_factory=list)
    arms: set[str] = field(default_factory=set)

    @property
    def by_host(self) -> list[tuple[str, int]]:
        """On which hosts, with the number of processes there."""
        return Counter(name.rpartition("/")[0] or name for name in self.hosts).most_common()


@dataclass(frozen=True)
class Inventory:
    """What living gateways hold, worst first, and all processes, living ones first."""

    table: RoutingTable | None
    processes: list[Process]
    holdings: list[Holding]

    @property
    def alive(self) -> int:
        """How many processes live."""
        return sum(process.alive for process in self.processes)

    @property
    def gone(self) -> int:
        """How many ended."""
        return len(self.processes) - self.alive


def inventory(teams: Iterable[Team], *, model: str = "") -> Inventory:
    """Return the inventory for members of ``teams``.

    Args:
        model: only what gateways hold of this one.
    """
    rows = list(GatewayProcess.objects.select_related("token").annotate(alive_since=Now() - ALIVE))
    told = [(row, state_of(row)) for row in rows]
    tables = {
        t.version: t
        for t in RoutingTable.objects.defer("document").filter(version__in={s.table_version for _, s in told})
    }
    newest = RoutingTable.objects.defer("document").first()
    lost = unknown_versions(state for row, state in told if row.last_seen_at > row.alive_since)
    mine = _names(teams, {name for _, state in told for name, *_ in _held(state)})
    processes, holdings = [], dict[tuple[str, int, str, str], Holding]()
    for row, state in told:
        host, pid = ([*row.spool_id.rsplit("-", 2), "", ""])[:2]
        alive = row.last_seen_at > row.alive_since
        table = tables.get(state.table_version)
        processes.append(
            Process(
                row.spool_id, host, pid, row.token.name if row.token else "", alive, row.first_seen_at, row.last_seen_at, state,
                behind=max(newest.version - state.table_version, 0) if newest else 0,
                published_at=table.published_at if table else None,
                hidden=sum(name not in mine for name, *_ in _held(state)),
                unknown=any((v.model, v.number, v.digest) in lost for v in state.loaded),
            )
        )  # fmt: skip
        for name, number, digest, kind, size, reason in _held(state) if alive else ():
            if name not in mine or (model and name != model):
                continue
            kind = UNKNOWN if (name, number, digest) in lost else kind
            holding = holdings.setdefault(
                (name, number, digest, kind),
                Holding(name, number, digest, kind, mine[name] and kind != UNKNOWN, size, reason),
            )
            holding.hosts.append(f"{host}/{pid}" if pid else host)
            if kind in (HELD, UNKNOWN):
                holding.arms.update(arm for arm, n in state.serving.get(name, {}).items() if n == number)
    order = [UNKNOWN, REFUSED, HELD, COLD]
    return Inventory(
        newest,
        sorted(processes, key=lambda process: (not process.alive, process.spool_id)),
        sorted(holdings.values(), key=lambda h: (order.index(h.state) > 1, h.model, -h.number, order.index(h.state))),
    )


def _held(state: GatewayState) -> list[tuple[str, int, str, str, int | None, str]]:
    return [
        *((v.model, v.number, v.digest, HELD, v.bytes or None, "") for v in state.loaded),
        *((v.model, v.number, v.digest, COLD, v.bytes, "") for v in state.cold),
        *((v.model, v.number, v.digest, REFUSED, None, v.reason) for v in state.refused),
    ]


def _names(teams: Iterable[Team], names: set[str]) -> dict[str, bool]:
    """Return which of ``names`` may be told: models of ``teams``, and what is nobody's; by whether it is a live model."""
    taken = RegisteredModel.objects.filter(name__in=names)
    owned = set(taken.filter(team__in=teams).values_list("name", flat=True))
    live = set(taken.live().filter(team__in=teams).values_list("name", flat=True))
    others = set(taken.values_list("name", flat=True)) - owned
    return {name: name in live for name in names - others}
