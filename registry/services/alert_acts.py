"""What people do with alerts: take them on, call them over, open them again, hand them on, comment."""

from django.contrib.auth.models import User
from django.http import Http404
from django.utils import timezone

from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import Alert, Membership, Role
from registry.selectors.alerts import keeps_installation
from registry.services.alerts import close, event, slug

LONGEST = 2000


@audited()
def alert_acknowledge(*, actor: Actor, alert_id: int, note: str) -> Alert:
    """Take an alert on: it leaves the inboxes of the others, and stays open until its cause is gone.

    Raises:
        ConflictError: it is over, or somebody took it on before.
        InvalidError: the note is empty.
    """
    alert = _locked(actor, alert_id)
    _still_open(alert)
    if alert.acknowledged_by_id:
        raise ConflictError("Somebody took this alert on before.")
    said = _text(note, "Say what you do about it.", "note")
    Alert.objects.filter(pk=alert.pk).update(acknowledged_by=actor.user, acknowledged_at=timezone.now(), note=said)
    event(alert, "acknowledged", said, actor=actor.user)
    audit(
        action="alert.acknowledge", subject=alert.subject, actor=actor, team=slug(alert),
        payload={"alert": alert.pk, "kind": alert.kind, "note": said},
    )  # fmt: skip
    return _fresh(alert)


@audited()
def alert_resolve(*, actor: Actor, alert_id: int, reason: str) -> Alert:
    """Call an alert over, with a reason; it comes back if the next look still finds it.

    Raises:
        ConflictError: it is over already.
        InvalidError: no reason.
    """
    alert = _locked(actor, alert_id)
    _still_open(alert)
    said = _text(reason, "Say why it is over.", "reason")
    close(alert, timezone.now(), resolved_by=actor.user, resolution=said)
    event(alert, "resolved", said, actor=actor.user)
    audit(
        action="alert.resolve", subject=alert.subject, actor=actor, team=slug(alert),
        payload={"alert": alert.pk, "kind": alert.kind, "key": alert.key, "reason": said},
    )  # fmt: skip
    return _fresh(alert)


@audited()
def alert_reopen(*, actor: Actor, alert_id: int, reason: str) -> Alert:
    """Open an alert again that was called over too soon.

    Raises:
        ConflictError: it is open, or another one of its key is.
        InvalidError: no reason.
    """
    alert = _locked(actor, alert_id)
    if alert.cleared_at is None:
        raise ConflictError("This alert is open.")
    if Alert.objects.open().filter(team=alert.team, model=alert.model, key=alert.key).exists():
        raise ConflictError("A newer alert of the same cause is open; it goes on there.")
    said = _text(reason, "Say why it is not over.", "reason")
    Alert.objects.filter(pk=alert.pk).update(
        cleared_at=None,
        resolved_by=None,
        resolution="",
        acknowledged_by=None,
        acknowledged_at=None,
        note="",
        untold="returned",
    )
    event(alert, "reopened", said, actor=actor.user)
    audit(
        action="alert.reopen", subject=alert.subject, actor=actor, team=slug(alert),
        payload={"alert": alert.pk, "kind": alert.kind, "key": alert.key, "reason": said},
    )  # fmt: skip
    return _fresh(alert)


@audited()
def alert_own(*, actor: Actor, alert_id: int, owner: str = "", role: str = "") -> Alert:
    """Hand an open alert to a person or a role of its team; neither of both gives it back to whom the kind is for.

    Raises:
        ConflictError: it is over.
        InvalidError: both were named, or the person is no member who may act on it.
    """
    alert = _locked(actor, alert_id)
    _still_open(alert)
    if owner and role:
        raise InvalidError("Name a person or a role, not both.", field="role")
    if role and role not in Role.values:
        raise InvalidError(f"role must be one of {', '.join(Role.values)}.", field="role")
    person = _member(alert, owner) if owner else None
    before = alert.owner.username if alert.owner else alert.owner_role
    Alert.objects.filter(pk=alert.pk).update(owner=person, owner_role=role)
    event(alert, "owned", f"It goes to {owner or role or 'whoever it is for'}.", actor=actor.user)
    audit(
        action="alert.own", subject=alert.subject, actor=actor, team=slug(alert),
        payload={"alert": alert.pk, "before": before, "after": owner or role},
    )  # fmt: skip
    return _fresh(alert)


@audited()
def alert_comment(*, actor: Actor, alert_id: int, body: str) -> Alert:
    """Add a comment to an alert, open or over."""
    alert = _locked(actor, alert_id)
    said = _text(body, "Write something.", "body")
    event(alert, "comment", said, actor=actor.user)
    audit(
        action="alert.comment", subject=alert.subject, actor=actor, team=slug(alert),
        payload={"alert": alert.pk, "body": said},
    )  # fmt: skip
    return _fresh(alert)


def _locked(actor: Actor, alert_id: int) -> Alert:
    alert = (
        Alert.objects.select_for_update(of=("self",), no_key=True)
        .select_related("model", "team", "owner")
        .get(pk=alert_id)
    )
    if alert.team:
        actor.require(alert.team, *WRITERS)
    elif not keeps_installation(actor):
        raise Http404
    return alert


def _fresh(alert: Alert) -> Alert:
    alert.refresh_from_db()
    return alert


def _still_open(alert: Alert) -> None:
    if alert.cleared_at:
        raise ConflictError("This alert is over.")


def _text(given: str, asked: str, field: str) -> str:
    text = given.strip()
    if not text:
        raise InvalidError(asked, field=field)
    if len(text) > LONGEST:
        raise InvalidError(f"{field} has {LONGEST} characters at most.", field=field)
    return text


def _member(alert: Alert, username: str) -> User:
    held = (
        Membership.objects.filter(role__in=WRITERS, team=alert.team)
        if alert.team
        else Membership.objects.filter(role=Role.ADMIN)
    )
    found = User.objects.filter(pk__in=held.values("user"), username=username, is_active=True).first()
    if found is None:
        raise InvalidError(f"{username} is no member of {alert.about} who may act on alerts.", field="owner")
    return found
