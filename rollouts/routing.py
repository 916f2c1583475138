"""The one publisher of the routing table: from what the registry says to the file that gateways follow.

PostgreSQL is the truth. A change is first a row; then the newest row is mirrored to the file. Either step may be
interrupted or run twice, by several processes at once, and the next run completes it. Thousands of routes are composed only where
something they are made of changed: triggers tell (sql/routing_due.sql). Gateways of other hosts get the row itself:
the transaction that writes it wakes those that wait (rollouts/gateways/publishing.py).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from rollouts.gateways.reports import living_gateways
from rollouts.models import Rollout, RoutingDue, RoutingTable
from rollouts.states import OPEN as OPEN_ROLLOUTS
from serving import contract
from serving.contract import BASIS_POINTS, CANARY, CHAMPION, SHADOW, Arm, Route, RoutingTableError, Version

ADVISORY_LOCK = 0x524F_5554  # "ROUT": one publisher at a time
MOST_AHEAD = 1_000_000  # of the history, that a gateway is believed to be: no day of tables was ever so long
AT_LATEST = timedelta(minutes=1)  # routes are composed anew so often by each process, also where no change was told
CHANNEL = "routing"  # where PostgreSQL tells that something was published
TOLD = (
    "number", "artifact_state", "refusal", "format", "artifact_path", "artifact_digest", "manifest", "signature", "archived_at",
    "retired_at", "model__team__governed",
)  # fmt: skip
OPEN = [state.value for state in PromotionState if state.is_open]


def routing_publish(*, now: datetime) -> RoutingTable:
    """Publish what should be served, if that changed, and see that the file on disk says so; safe to repeat."""
    if _record(now=now):
        _process.composed_at = now
    return _mirror()


@dataclass
class _Process:
    """What this process need not do again; nothing where it has just begun, perhaps with other code or settings than the one before.

    Attributes:
        composed_at: when it composed last.
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


def compose() -> list[Route]:
    """Return a route for each live model whose champion can be served.

    The champion answers everything, but for what a rollout gives to its candidate. Beside them the gateway lists what may be needed at
    once: the former champion and a candidate that is about to answer stay loaded, so that neither a rollback nor a step loads
    anything, and, as far as its memory goes, so do versions that a promotion is open for and those that other aliases name.
    """
    champions = list(
        Alias.objects.filter(name=CHAMPION, model__archived_at__isnull=True, model__retired_at__isnull=True)
        .order_by("model__name")
        .values_list("model_id", "model__name", "model__task", "version_id", "version__number")
    )  # of thousands, each second: rows are read without what no route says
    serving = {model: version for model, _, _, version, _ in champions}
    former = _former(serving)
    versions, aliases = _wanted(serving, [version for version, _ in former.values()])
    columns = dict(LogPolicy.objects.in_force().values_list("model_id", "columns"))
    standby = {model: {number} for model, (_, number) in former.items()}
    splits = {}
    for rollout in Rollout.objects.filter(state__in=OPEN_ROLLOUTS, champion__in=serving.values()).select_related(
        "candidate"
    ):
        if rollout.candidate.number in versions[rollout.model_id] and serving[rollout.model_id] == rollout.champion_id:
            splits[rollout.model_id] = rollout
            standby.setdefault(rollout.model_id, set()).add(rollout.candidate.number)
    return [
        Route(
            model=name,
            model_id=model,
            task=task,
            arms=_split(number, splits.get(model)),
            aliases={alias: n for alias, n in aliases[model].items() if n in versions[model]},
            versions=list(versions[model].values()),
            standby=[n for n in versions[model] if n in standby.get(model, set())],
            sensitive=columns.get(model, {}),
            **_keys(model, splits.get(model), columns.get(model, {})),
        )
        for model, name, task, _, number in champions
        if number in versions[model]
    ]


def _split(champion: int, rollout: Rollout | None) -> list[Arm]:
    """Return the arms of a route: a canary comes last, so that no key leaves it as it grows."""
    if rollout is None:
        return [Arm(CHAMPION, champion, BASIS_POINTS)]
    arms = [
        Arm(CHAMPION, champion, BASIS_POINTS - rollout.weight_bp),
        Arm(SHADOW, rollout.candidate.number, rollout.shadow_bp),
        Arm(CANARY, rollout.candidate.number, rollout.weight_bp),
    ]
    return [arm for arm in arms if arm.weight_bp]


def _keys(model_id: int, rollout: Rollout | None, withheld: dict[str, str]) -> dict[str, str]:
    """Return what routes callers: of a rollout its own salt, so that each one parts them anew, and its plan's column.

    A column that was withheld since routes nobody: records hold the key's hash, and its salt is known.
    """
    if rollout is None or not (rollout.weight_bp or rollout.shadow_bp):
        return {"salt": f"model-{model_id}"}
    column = rollout.document.get("key_column", "")
    return {"salt": rollout.salt, "key_column": "" if column in withheld else column}


def columns_withheld(model_id: int) -> dict[str, str]:
    """Return the input columns that the prediction log does not hold as they were sent, by treatment."""
    return dict(LogPolicy.objects.in_force().filter(model=model_id).values_list("columns", flat=True).first() or {})


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
def _record(*, now: datetime) -> bool:
    """Add a table to the history, and an event for each model it changes, if the latest one is out of date; tell whether it composed."""
    only_publisher()
    told, _ = RoutingDue.objects.all().delete()  # whose changes have committed, so that what is composed now holds them
    latest = RoutingTable.objects.defer("document").first()
    forgotten = _forgotten(latest)
    if latest and not told and not forgotten and not _process.must_compose(now):
        return False
    routes = compose()
    digest = f"sha256:{hashlib.sha256(msgspec.json.encode(routes)).hexdigest()}"
    if latest and latest.digest == digest and not forgotten:
        return True
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
    return True


@transaction.atomic
def _mirror() -> RoutingTable:
    """Write the latest table to the file unless it is there, and confirm it; never an older one over a newer."""
    only_publisher()
    latest = RoutingTable.objects.defer("document").latest("version")
    path = Path(settings.ROUTING_TABLE_PATH)
    if not _process.has_mirrored(latest):
        table = document_of(latest)
        if _on_disk() != table:
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


def _former(champions: dict[int, int]) -> dict[int, tuple[int, int]]:
    """Return, by model, key and number of the latest version that was champion before and could be again.

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
        .values_list("model_id", "version_id", "version__number")
    )  # fmt: skip
    return {model: (version, number) for model, version, number in moves}


def _wanted(
    champions: dict[int, int], former: Iterable[int]
) -> tuple[dict[int, dict[int, Version]], dict[int, dict[str, int]]]:
    """Return, by model, the versions to keep loaded (newest first, by number) and what each alias names.

    Args:
        champions: version by model.
        former: former champions.
    """
    aliases: dict[int, dict[str, int]] = {model: {} for model in champions}
    wanted = {*champions.values(), *former}
    named = Alias.objects.filter(model__in=champions).order_by("name")
    for model, name, pk, number in named.values_list("model_id", "name", "version_id", "version__number"):
        aliases[model][name] = number
        wanted.add(pk)
    wanted.update(Promotion.objects.filter(model__in=champions, state__in=OPEN).values_list("version_id", flat=True))
    versions: dict[int, dict[int, Version]] = {model: {} for model in champions}
    found = ModelVersion.objects.filter(
        pk__in=wanted, artifact_state=ArtifactState.VERIFIED, refusal="", signature__has_key="inputs",
        archived_at__isnull=True, retired_at__isnull=True,
    )  # fmt: skip
    told = found.select_related("model__team").only(*TOLD).order_by("-number")
    routable = [version for version in told if is_routable(version)]
    keys = [version.pk for version in routable]
    bundles, conversions = bundles_of(keys), conversions_of(keys)
    for version in routable:
        versions[version.model_id][version.number] = served_version(
            version, bundles.get(version.pk, {}), conversions.get(version.pk)
        )
    return versions, aliases


def _arms(route: Route) -> str:
    return ", ".join(_arm(arm) for arm in route.arms)


def _arm(arm: Arm) -> str:
    share = f" {arm.weight_bp / 100:g}%"
    if arm.name == SHADOW:
        return f"v{arm.number} asked beside{share}"
    return f"v{arm.number}{share if arm.weight_bp != BASIS_POINTS else ''}"
