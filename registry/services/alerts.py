"""Alerts about models: higher apps and the clock raise and clear them, people acknowledge them."""

from django.db.models.functions import Now

from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import Alert, RegisteredModel

PROCESS = "registry"


@audited()
def alert_raise(
    *, model: RegisteredModel, kind: str, title: str, key: str, severity: str = Alert.Severity.WARNING, link: str = "",
    next_step: str = "", process: str = PROCESS,
) -> Alert:  # fmt: skip
    """Say that something about a model needs a person; the same key again is the same alert until it is cleared.

    Args:
        kind: short stable name, such as ``drift``, ``budget`` or ``review_overdue``.
        key: what tells this alert from others of the model, such as ``slo:3``.
        link: path of the page that shows the cause.
        next_step: what to do about it, in a sentence.
        process: who noticed it.
    """
    said = {"severity": severity, "title": title, "link": link, "next_step": next_step}
    alert, new = Alert.objects.get_or_create(model=model, key=key, cleared_at=None, defaults={"kind": kind, **said})
    if new:
        audit(
            action="alert.raise", subject=model.path, actor=None, process=process, team=model.team.slug,
            payload={"alert": alert.pk, "kind": kind, "severity": severity, "title": title, "key": key},
        )  # fmt: skip
    elif any(getattr(alert, name) != value for name, value in said.items()):
        Alert.objects.filter(pk=alert.pk).update(**said)
        alert.refresh_from_db()
    return alert


@audited()
def alert_clear(*, model: RegisteredModel, key: str, process: str = PROCESS) -> None:
    """Say that it is over; an alert that is not open stays as it is."""
    for alert in Alert.objects.select_for_update().filter(model=model, key=key, cleared_at__isnull=True):
        Alert.objects.filter(pk=alert.pk).update(cleared_at=Now())
        audit(
            action="alert.clear", subject=model.path, actor=None, process=process, team=model.team.slug,
            payload={"alert": alert.pk, "kind": alert.kind, "key": key},
        )  # fmt: skip


@audited()
def alert_acknowledge(*, actor: Actor, alert_id: int, note: str) -> Alert:
    """Take an alert on: it leaves the inboxes of the others, and stays open until its cause is gone.

    Raises:
        ConflictError: it is over, or somebody took it on before.
        InvalidError: the note is empty.
    """
    alert = Alert.objects.select_for_update(of=("self",)).select_related("model__team").get(pk=alert_id)
    actor.require(alert.model.team, *WRITERS)
    if alert.cleared_at:
        raise ConflictError("This alert is over.")
    if alert.acknowledged_by_id:
        raise ConflictError("Somebody took this alert on before.")
    if not note.strip():
        raise InvalidError("Say what you do about it.", field="note")
    Alert.objects.filter(pk=alert.pk).update(acknowledged_by=actor.user, acknowledged_at=Now(), note=note.strip())
    alert.refresh_from_db()
    audit(
        action="alert.acknowledge", subject=alert.model.path, actor=actor, team=alert.model.team.slug,
        payload={"alert": alert.pk, "kind": alert.kind, "note": alert.note},
    )  # fmt: skip
    return alert
