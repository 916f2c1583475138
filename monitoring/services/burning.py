"""Telling the alerts how fast error budgets burn, and what to do about it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitoring.models import Slo
from monitoring.selectors import SloStatus, slo_statuses
from monitoring.selectors.marks import latest_champions
from monitoring.services.alerting import alert_observe
from monitoring.services.slos import alert_key
from monitoring.slo.burn import Burn, Severity
from monitoring.slo_words import duration_words, said_in_words
from registry.models import Alert, AliasMove

RECENT = timedelta(days=3)  # a champion this young is the first thing to suspect
SEVERITIES = {Severity.PAGE: Alert.Severity.CRITICAL, Severity.TICKET: Alert.Severity.WARNING}
PROCESS = "monitoring"


def burn_watch(*, now: datetime) -> int:
    """Look at every objective, and tell the alerts of each rule whether it burns; return how many do. Safe to repeat."""
    slos = list(Slo.objects.watched())
    champions = latest_champions({slo.model_id for slo in slos})
    burning = 0
    for status in slo_statuses(slos, now=now):
        slo = status.slo
        for burn in status.burns:
            burning += bool(burn.burning)
            alert_observe(
                model=slo.model, kind="burn", key=alert_key(slo.pk, burn.rule.name), breached=burn.burning,
                title=title(status, burn), link=slo.path, severity=SEVERITIES[burn.rule.severity], process=PROCESS,
                next_step=next_step(slo, champions.get(slo.model_id), now=now),
                actions=ways_out(slo, champions.get(slo.model_id), now=now),
            )  # fmt: skip
        if slo.standing != status.standing:
            Slo.objects.filter(pk=slo.pk).update(standing=status.standing)
    return burning


def title(status: SloStatus, burn: Burn) -> str:
    """Return what an alert says: how fast, over how long, of which objective, and what is left."""
    back = duration_words(burn.rule.long_s)
    left = "" if status.left is None else f"; {max(status.left, 0):.0%} of the budget is left"
    return f"{said_in_words(status.slo)}: the budget burns {burn.long or 0:.1f} times too fast over {back}{left}"[:200]


def next_step(slo: Slo, champion: AliasMove | None, *, now: datetime) -> str:
    """Return what to do: go back where the champion is young, else look where the figures fell."""
    if champion and champion.version and _is_young(champion, now):
        at = f"{champion.at:%d %b at %H:%M} UTC"
        return f"v{champion.version.number} became champion on {at}. If it began then, roll back."
    return "See when it began, and what the model's page says of traffic and drift at that time."


def ways_out(slo: Slo, champion: AliasMove | None, *, now: datetime) -> list[dict[str, str]]:
    """Return links to what may end it: the way back, where the champion is young."""
    young = champion is not None and _is_young(champion, now)
    return [{"title": "Roll back", "path": f"{slo.model.path}?tab=champions"}] if young else []


def _is_young(champion: AliasMove, now: datetime) -> bool:
    return now - champion.at < RECENT


def budget_names(slos: Iterable[Slo]) -> dict[int, str]:
    """Return what the budget of each objective is called in the registry: unique, and short enough."""
    words = {slo.pk: said_in_words(slo) for slo in slos}
    return {
        pk: name if len(name) <= 100 else f"{name[:85]}\N{HORIZONTAL ELLIPSIS} ({pk})" for pk, name in words.items()
    }
