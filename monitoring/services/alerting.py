"""What monitoring's looks say to the alerts: each look tells what it found, breached or not."""

from registry.audit_trail import audited
from registry.models import Alert, RegisteredModel
from registry.services import alert_clear, alert_raise


@audited()
def alert_observe(
    *, model: RegisteredModel, kind: str, key: str, breached: bool | None, title: str, link: str = "",
    next_step: str = "", severity: str = Alert.Severity.WARNING, process: str,
) -> None:  # fmt: skip
    """Tell what one look found; an alert is raised or cleared where that is due.

    Args:
        kind: short stable name of what was looked at, such as ``drift``, ``burn`` or ``quality``.
        key: what tells this alert from others of the model, such as ``slo:3:fast``.
        breached: None where there were no data to judge by: then nothing changes.
        next_step: what to do about it, in a sentence.
        process: who looked, such as ``job:7``.
    """
    if breached is None:
        return
    if breached:
        alert_raise(
            model=model, kind=kind, key=key, title=title, link=link, next_step=next_step, severity=severity,
            process=process,
        )  # fmt: skip
    else:
        alert_clear(model=model, key=key, process=process)
