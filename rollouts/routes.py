"""The routes that gateways should follow, from what the registry says, and what differs between two tables of them.

What is read here tells when it changes (migrations/sql/routing_due.sql): routes are composed then.
"""

from collections.abc import Iterable, Set
from operator import itemgetter
from typing import NamedTuple

from monitoring.models import LogPolicy
from registry.models import Alias, AliasMove, ArtifactState, ModelVersion, Promotion
from registry.selectors import bundles_of, conversions_of
from registry.selectors.servables import is_routable, served_version
from registry.states import PromotionState
from rollouts.models import Rollout
from rollouts.states import OPEN as OPEN_ROLLOUTS
from serving import contract
from serving.contract import BASIS_POINTS, CANARY, CHAMPION, SHADOW, Arm, Route, Version

TOLD = (
    "number", "artifact_state", "refusal", "format", "artifact_path", "artifact_digest", "manifest", "signature", "archived_at",
    "retired_at", "model__team__governed",
)  # fmt: skip
OPEN = [state.value for state in PromotionState if state.is_open]


def recomposed(routes: Iterable[Route], models: Set[int]) -> list[Route]:
    """Return ``routes`` with those of ``models`` composed anew, some of which may come or go."""
    kept = [route for route in routes if route.model_id not in models]
    return sorted(kept + compose(models), key=lambda route: route.model)


def compose(models: Set[int] | None = None) -> list[Route]:
    """Return a route for each live model whose champion can be served, by name; of these models, or of all.

    The champion answers everything, but for what a rollout gives to its candidate. Beside them the gateway lists what may be needed at
    once: the former champion and a candidate that is about to answer stay loaded, so that neither a rollback nor a step loads
    anything, and, as far as its memory goes, so do versions that a promotion is open for and those that other aliases name.
    """
    live = Alias.objects.filter(name=CHAMPION, model__archived_at__isnull=True, model__retired_at__isnull=True)
    if models is not None:
        live = live.filter(model__in=models)
    champions = sorted(
        live.values_list("model_id", "model__name", "model__task", "version_id", "version__number"), key=itemgetter(1)
    )  # of thousands: rows are read without what no route says
    serving = {model: version for model, _, _, version, _ in champions}
    former = _former(serving)
    versions, aliases = _wanted(serving, [version for version, _ in former.values()])
    columns = dict(LogPolicy.objects.in_force().filter(model__in=serving).values_list("model_id", "columns"))
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
