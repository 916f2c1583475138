"""What looks found, breached or not: an alert follows once enough of them agree."""

from collections.abc import Sequence
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
    row = AlertStreak.objects.select_for_update().filter(**named).first()
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
