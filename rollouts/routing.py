"""The one publisher of the routing table: from what the registry says to the file that gateways follow.

PostgreSQL is the truth. A change is first a row; then the newest row is mirrored to the file. Either step may be
interrupted or run twice, by several processes at once, and the next run completes it. There may be thousands of routes: one is composed
where something that it is made of changed, as triggers tell (migrations/sql/routing_due.sql). Gateways of other hosts get the row itself:
the transaction that writes it wakes those that wait (rollouts/gateways/publishing.py).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import connection, transaction

from registry.audit_trail import audit, audited
from registry.models import RegisteredModel
from rollouts.gateways.reports import living_gateways
from rollouts.models import RoutingDue, RoutingTable
from rollouts.routes import changes, compose, recomposed
from serving import contract
from serving.contract import RoutingTableError

ADVISORY_LOCK = 0x524F_5554  # "ROUT": one publisher at a time
MOST_AHEAD = 1_000_000  # of the history, that a gateway is believed to be: no day of tables was ever so long
AT_LATEST = timedelta(minutes=10)  # each process composes all routes so often, whatever changes were told
CHANNEL = "routing"  # where PostgreSQL tells that something was published


def routing_publish(*, now: datetime) -> RoutingTable:
    """Publish what should be served, if that changed, and see that the file on disk says so; safe to repeat."""
    if _record(now=now):
        _process.composed_at = now
    return _mirror()


@dataclass
class _Process:
    """What this process need not do again; nothing where it has just begun, perhaps with other code or settings than the one before.

    Attributes:
        composed_at: when it composed all routes last.
        mirrored: the table and the file as they were when the file said what the table says.
    """

    composed_at: datetime | None = None
    mirrored: tuple[object, ...] | None = None

    def must_compose(self, now: datetime) -> bool:
        return self.composed_at is None or abs(now - self.composed_at) >= AT_LATEST

    def has_mirrored(self, table: RoutingTable) -> bool:
        return self.mirrored is not None and self.mirrored == _as_they_are(table)


_process = _Process()


def _as_they_are(table: RoutingTable) -> tuple[object, ...] | None:
    try:
        file = Path(settings.ROUTING_TABLE_PATH).stat()
    except FileNotFoundError:
        return None
    return table.version, table.digest, table.published_at, file.st_ino, file.st_mtime_ns, file.st_size


@audited()
def _record(*, now: datetime) -> bool:
    """Add a table to the history, and an event for each model it changes, if the latest one is out of date.

    Returns: whether all routes were composed, and not only those of which a change was told.
    """
    only_publisher()
    told = dict(RoutingDue.objects.values_list("id", "model_id"))
    RoutingDue.objects.filter(id__in=told).delete()  # their changes have committed: what is composed now holds them
    latest = RoutingTable.objects.defer("document").first()
    forgotten = _forgotten(latest)
    whole = latest is None or bool(forgotten) or None in told.values() or _process.must_compose(now)
    if not told and not whole:
        return False
    before = document_of(latest).routes if latest else []
    routes = compose() if whole else recomposed(before, {model for model in told.values() if model is not None})
    changed = changes(before, routes)
    if latest and not changed and not forgotten:
        return whole
    number = max(latest.version if latest else 0, forgotten) + 1
    table = contract.check_table(contract.RoutingTable(number, now.isoformat(), routes))
    digest = f"sha256:{hashlib.sha256(msgspec.json.encode(routes, order='deterministic')).hexdigest()}"
    RoutingTable.objects.create(
        version=number, digest=digest, document=msgspec.to_builtins(table), published_at=now,
        reason="; ".join(f"{change.model}: {change.what}" for change in changed),
    )  # fmt: skip
    wake_gateways()
    models = RegisteredModel.objects.select_related("team").in_bulk([change.model_id for change in changed])
    for change in changed:
        model = models[change.model_id]
        audit(
            action="routing.publish", subject=model.path, actor=None, process="publisher", team=model.team.slug,
            payload={"table": number, "change": change.what},
        )  # fmt: skip
    return whole


@transaction.atomic
def _mirror() -> RoutingTable:
    """Write the latest table to the file unless it is there, and confirm it; never an older one over a newer."""
    only_publisher()
    latest = RoutingTable.objects.defer("document").latest("version")
    path = Path(settings.ROUTING_TABLE_PATH)
    if not _process.has_mirrored(latest):
        table = document_of(latest)
        if _process.mirrored or _on_disk() != table:  # what it mirrored before is an older table, or was written over
            contract.write_table(table, path)
        _process.mirrored = _as_they_are(latest)
    contract.confirm_table(path)
    return latest


def document_of(table: RoutingTable) -> contract.RoutingTable:
    """Return the table as the gateway reads it."""
    return msgspec.convert(table.document, contract.RoutingTable)


def only_publisher() -> None:
    """Wait until no other publisher writes; holds until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])


def wake_gateways() -> None:
    """Wake the gateways that wait for something new; they hear of it when this transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def _forgotten(latest: RoutingTable | None) -> int:
    """Return the newest number of a table that the file or a living gateway has and the history has not; 0 if there is none.

    That is so after the database was restored to an earlier day: a gateway takes no table with a lower number than its own.
    """
    known, known_at = (latest.version, latest.published_at.isoformat()) if latest else (0, "")
    file = None if latest and _process.has_mirrored(latest) else _on_disk()
    held = [(state.table_version, state.published_at) for state in living_gateways()]
    if file:
        held.append((file.version, file.published_at))
    return max(
        (
            number for number, at in held
            if known < number <= known + MOST_AHEAD or (number == known and at not in ("", known_at))
        ),
        default=0,
    )  # fmt: skip


def _on_disk() -> contract.RoutingTable | None:
    try:
        return contract.read_table(Path(settings.ROUTING_TABLE_PATH))
    except (FileNotFoundError, msgspec.DecodeError, RoutingTableError):
        return None
