"""The one publisher of the routing table: from what the registry says to the file that gateways follow.

PostgreSQL is the truth. A change is first a row; then the newest row is mirrored to the file. Either step may be
interrupted or run twice, by several processes at once, and the next run completes it. Gateways of other hosts get the row itself:
the transaction that writes it wakes those that wait (rollouts/publishing.py).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from django.conf import settings
from django.db import connection, transaction

from monitoring.models import LogPolicy
from registry.audit_trail import audit, audited
from registry.models import Alias, AliasMove, ArtifactState, ModelVersion, Promotion, RegisteredModel
from registry.selectors import bundles_of, conversions_of
from registry.selectors.servables import is_routable, served_version
from registry.states import PromotionState
from rollouts.gateways import living_gateways
from rollouts.models import RoutingTable
from serving import contract
from serving.contract import BASIS_POINTS, CHAMPION, Arm, Route, RoutingTableError, Version

ADVISORY_LOCK = 0x524F_5554  # "ROUT": one publisher at a time
MOST_AHEAD = 1_000_000  # of the history, that a gateway is believed to be: no day of tables was ever so long
CHANNEL = "routing"  # where PostgreSQL tells that something was published
OPEN = [state.value for state in PromotionState if state.is_open]


def routing_publish(*, now: datetime) -> RoutingTable:
    """Publish what should be served, if that changed, and see that the file on disk says so; safe to repeat."""
    _record(now=now)
    return _mirror()


def compose() -> list[Route]:
    """Return a route for each live model whose champion can be served.

    The champion answers everything. Beside it the gateway lists what may be needed at once: the former champion, which stays
    loaded so that a rollback loads nothing, and, as far as its memory goes, versions that a promotion is open for and those
    that other aliases name.
    """
    champions = list(
        Alias.objects.filter(name=CHAMPION, model__archived_at__isnull=True, model__retired_at__isnull=True)
        .select_related("model", "version")
        .order_by("model__name")
    )
    serving = {champion.model_id: champion.version_id for champion in champions}
    former = _former(serving)
    versions, aliases = _wanted(serving, former.values())
    columns = dict(LogPolicy.objects.in_force().values_list("model_id", "columns"))
    standby = {version.model_id: version.number for version in former.values()}
    return [
        Route(
            model=champion.model.name,
            model_id=champion.model_id,
            task=champion.model.task,
            salt=f"model-{champion.model_id}",
            arms=[Arm(CHAMPION, champion.version.number, BASIS_POINTS)],
            aliases={name: n for name, n in aliases[champion.model_id].items() if n in versions[champion.model_id]},
            versions=list(versions[champion.model_id].values()),
            standby=[n for n in versions[champion.model_id] if n == standby.get(champion.model_id)],
            sensitive=columns.get(champion.model_id, {}),
        )
        for champion in champions
        if champion.version.number in versions[champion.model_id]
    ]


class Change(NamedTuple):
    """What a new table changes for one model, in words."""

    model_id: int
    model: str
    what: str


def changes(before: list[Route], after: list[Route]) -> list[Change]:
    """Return what differs between two tables' routes, model by model."""
    old, new = ({route.model_id: route for route in routes} for routes in (before, after))
    gone = [Change(pk, route.model, "no longer routed") for pk, route in old.items() if pk not in new]
    return gone + [
        Change(pk, route.model, _difference(old.get(pk), route)) for pk, route in new.items() if old.get(pk) != route
    ]


def _difference(before: Route | None, after: Route) -> str:
    if before is None:
        return f"{_arms(after)} serves"
    if before.arms != after.arms:
        return f"{_arms(before)} → {_arms(after)}"
    if before.sensitive != after.sensitive:
        return f"withheld from the log: {', '.join(after.sensitive) or 'nothing'}"
    return f"other aliases or versions kept loaded beside {_arms(after)}"


@audited()
def _record(*, now: datetime) -> None:
    """Add a table to the history, and an event for each model it changes, if the latest one is out of date."""
    only_publisher()
    routes = compose()
    digest = f"sha256:{hashlib.sha256(msgspec.json.encode(routes)).hexdigest()}"
    latest = RoutingTable.objects.first()
    forgotten = _forgotten(latest)
    if latest and latest.digest == digest and not forgotten:
        return
    number = max(latest.version if latest else 0, forgotten) + 1
    table = contract.check_table(contract.RoutingTable(number, now.isoformat(), routes))
    changed = changes(document_of(latest).routes if latest else [], routes)
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


@transaction.atomic
def _mirror() -> RoutingTable:
    """Write the latest table to the file unless it is there, and confirm it; never an older one over a newer."""
    only_publisher()
    latest = RoutingTable.objects.latest("version")
    path = Path(settings.ROUTING_TABLE_PATH)
    table = document_of(latest)
    if _on_disk() != table:
        contract.write_table(table, path)
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
    known, known_at = (latest.version, latest.document["published_at"]) if latest else (0, "")
    file = _on_disk()
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


def _former(champions: dict[int, int]) -> dict[int, ModelVersion]:
    """Return, by model, the latest version that was champion before and could be again.

    Args:
        champions: version by model.
    """
    moves = (
        AliasMove.objects.filter(
            model__in=champions, name=CHAMPION, version__artifact_state=ArtifactState.VERIFIED, version__refusal="",
            version__format__in=contract.FORMATS, version__archived_at__isnull=True, version__retired_at__isnull=True,
        )
        .exclude(version__in=champions.values())
        .order_by("model_id", "-id")
        .distinct("model_id")
        .select_related("version")
    )  # fmt: skip
    return {move.model_id: move.version for move in moves if move.version}


def _wanted(
    champions: dict[int, int], former: Iterable[ModelVersion]
) -> tuple[dict[int, dict[int, Version]], dict[int, dict[str, int]]]:
    """Return, by model, the versions to keep loaded (newest first, by number) and what each alias names.

    Args:
        champions: version by model.
        former: former champions.
    """
    aliases: dict[int, dict[str, int]] = {model: {} for model in champions}
    wanted = set(champions.values())
    for alias in Alias.objects.filter(model__in=champions).select_related("version").order_by("name"):
        aliases[alias.model_id][alias.name] = alias.version.number
        wanted.add(alias.version_id)
    wanted.update(version.pk for version in former)
    wanted.update(Promotion.objects.filter(model__in=champions, state__in=OPEN).values_list("version_id", flat=True))
    versions: dict[int, dict[int, Version]] = {model: {} for model in champions}
    bundles, conversions = bundles_of(wanted), conversions_of(wanted)
    for version in ModelVersion.objects.filter(pk__in=wanted).select_related("model__team").order_by("-number"):
        if is_routable(version):
            versions[version.model_id][version.number] = served_version(
                version, bundles.get(version.pk, {}), conversions.get(version.pk)
            )
    return versions, aliases


def _arms(route: Route) -> str:
    return ", ".join(
        f"v{arm.number}" if arm.weight_bp == BASIS_POINTS else f"v{arm.number} {arm.weight_bp / 100:g}%"
        for arm in route.arms
    )
