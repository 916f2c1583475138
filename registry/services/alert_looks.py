"""What looks found, breached or not: an alert follows once enough of them agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from registry.alerting.streaks import Streak, after, is_enough
from registry.audit_trail import audited
from registry.models import Alert, AlertStreak, RegisteredModel, Team
from registry.services.alerts import alert_clear, alert_raise, rule_of


@audited()
def alert_look(
    *, model: RegisteredModel | None = None, team: Team | None = None, kind: str, key: str, breached: bool | None, title: str,
    link: str = "", next_step: str = "", severity: str = Alert.Severity.WARNING, group: str = "",
    actions: Sequence[dict[str, str]] = (), process: str, now: datetime | None = None,
) -> None:  # fmt: skip
    """Note what one look found; an alert is raised or cleared once as many looks agree as the rule asks for.

    The count of looks is a row that is locked, so it survives restarts, and looks at the same time are counted one after the other.

    Args:
        breached: None where there were no data to judge by: then nothing changes.
        now: when it looked.
        The others are those of :func:`alert_raise`.
    """
    if breached is None:
        return
    team, now = model.team if model else team, now or timezone.now()
    named: dict[str, Any] = {"team": team, "model": model, "key": key}
    opened = Alert.objects.open().filter(**named).exists()
    if not breached and not opened and not AlertStreak.objects.filter(**named).exists():
        return  # as most looks
    rule = rule_of(kind, team, model)
    if not rule.enabled:
        AlertStreak.objects.filter(**named).delete()
        alert_clear(model=model, team=team, key=key, process="rule")
        return
    AlertStreak.objects.get_or_create(**named, defaults={"breached": breached, "since": now})
    row = AlertStreak.objects.select_for_update(no_key=True).filter(**named).first()
    if row is None:  # another look ended the streak between the two lines
        row = AlertStreak.objects.create(**named, breached=breached, since=now)
    streak = after(Streak(row.breached, row.count, row.since) if row.count else None, breached=breached, now=now)
    enough = is_enough(streak, rule, now=now)
    opened = Alert.objects.open().filter(**named).exists()  # as it stands now that the row is ours
    if breached and (enough or opened):
        alert_raise(
            model=model, team=team, kind=kind, key=key, title=title, link=link, next_step=next_step, severity=severity,
            group=group, actions=actions, process=process,
        )  # fmt: skip
    elif enough:
        alert_clear(model=model, team=team, key=key, process=process)
    if not breached and (enough or not opened):
        row.delete()
    else:
        AlertStreak.objects.filter(pk=row.pk).update(breached=breached, count=streak.count, since=streak.since)


@dataclass(frozen=True)
class Found:
    """What one sweep found of one key; fields as of :func:`alert_raise`."""

    key: str
    title: str
    link: str = ""
    next_step: str = ""
    severity: str = Alert.Severity.WARNING
    team: Team | None = None
    model: RegisteredModel | None = None


def alert_sweep(*, kind: str, found: Iterable[Found], process: str, now: datetime | None = None) -> None:
    """Note all that a sweep found of one kind: each key that it did not find is a good look at that key.

    Keys of a kind begin with its name and a colon.
    """
    breached = {
        (item.team.pk if item.team else None, item.model.pk if item.model else None, item.key): item for item in found
    }  # fmt: skip
    for item in breached.values():
        alert_look(
            model=item.model, team=item.team, kind=kind, key=item.key, breached=True, title=item.title, link=item.link,
            next_step=item.next_step, severity=item.severity, process=process, now=now,
        )  # fmt: skip
    opened = Alert.objects.open().filter(kind=kind).values_list("team", "model", "key")
    counted = AlertStreak.objects.filter(key__startswith=f"{kind}:").values_list("team", "model", "key")
    for team_id, model_id, key in {*opened, *counted} - set(breached):
        team = Team.objects.filter(pk=team_id).first() if team_id else None
        model = RegisteredModel.objects.select_related("team").get(pk=model_id) if model_id else None
        alert_look(model=model, team=team, kind=kind, key=key, breached=False, title="", process=process, now=now)
