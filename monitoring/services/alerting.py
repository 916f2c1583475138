"""What monitoring's looks say to the alerts: each look tells what it found, breached or not."""

from collections.abc import Sequence
from datetime import datetime

from monitoring.models import Trial
from monitoring.selectors.retraining import retraining_way
from registry.models import Alert, RegisteredModel
from registry.services import alert_look

CANARY = ("burn", "quality", "drift")  # while a rollout goes on, these are likely of its making


def alert_observe(
    *, model: RegisteredModel, kind: str, key: str, breached: bool | None, title: str, link: str = "",
    next_step: str = "", severity: str = Alert.Severity.WARNING, process: str, group: str = "",
    actions: Sequence[dict[str, str]] = (), now: datetime | None = None,
) -> None:  # fmt: skip
    """Tell what one look found; an alert is raised or cleared where that is due, by the rule of its kind.

    Args:
        kind: short stable name of what was looked at, such as ``drift``, ``burn`` or ``quality``.
        key: what tells this alert from others of the model, such as ``slo:3:fast``.
        breached: None where there were no data to judge by: then nothing changes.
        next_step: what to do about it, in a sentence.
        process: who looked, such as ``job:7``.
        group: what it is told and listed together with; empty: the kind's cause, and while a rollout goes on, that rollout.
        actions: ways out, each with ``title`` and ``path``.
        now: when it looked.
    """
    if breached and not group and kind in CANARY and Trial.objects.filter(model=model, closed_at__isnull=True).exists():
        group = "rollout"
    if breached and (way := retraining_way(model, kind)):
        actions = [*actions, way]
    alert_look(
        model=model, kind=kind, key=key, breached=breached, title=title, link=link, next_step=next_step, severity=severity,
        process=process, group=group, actions=actions, now=now,
    )  # fmt: skip
