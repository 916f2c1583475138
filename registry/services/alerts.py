"""Alerts: higher apps and the clock raise and clear them. What people do with them is in ``alert_acts``."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from registry.alerting.kinds import group_of, kind_of
from registry.alerting.rules import Rule
from registry.audit_trail import audit, audited
from registry.models import Alert, AlertEvent, RegisteredModel, Team
from registry.selectors.alert_rules import rule_book

PROCESS = "registry"
LONGEST_TITLE = 300


@audited()
def alert_raise(
    *, model: RegisteredModel | None = None, team: Team | None = None, kind: str, title: str, key: str,
    severity: str = Alert.Severity.WARNING, link: str = "", next_step: str = "", group: str = "",
    actions: Sequence[dict[str, str]] = (), process: str = PROCESS,
) -> Alert:  # fmt: skip
    """Say that something needs a person; the same key again is the same alert until it is cleared.

    Args:
        model: what it is about; None where it is about a team or, without one either, the installation.
        kind: short stable name, such as ``drift``, ``budget`` or ``review_overdue``.
        key: what tells this alert from others of the model or team, such as ``slo:3``.
        link: path of the page that shows the cause.
        next_step: what to do about it, in a sentence.
        group: what it is told and listed together with; empty: alerts of the same cause.
        actions: ways out, each with ``title`` and ``path``, and ``until`` where it ends.
        process: who noticed it.
    """
    team, now = model.team if model else team, timezone.now()
    rule = rule_of(kind, team, model)
    said: dict[str, Any] = {
        "severity": rule.severity or severity, "title": title[:LONGEST_TITLE], "link": link, "next_step": next_step,
        "actions": [*actions, *ways_back(kind, model)],
        "group": f"{team.pk if team else 0}:{model.pk if model else 0}:{group_of(kind, rule, key=key, group=group)}",
    }  # fmt: skip
    named = {"team": team, "model": model, "key": key}
    back = _come_back(named, rule, now)
    if back:
        alert, new = back, False
    else:
        owner, role = _owner(rule)
        alert, new = Alert.objects.get_or_create(
            **named, cleared_at=None,
            defaults={"kind": kind, "seen_at": now, "owner": owner, "owner_role": role, "untold": "raised", **said},
        )  # fmt: skip
    if not new:
        if alert.escalated_at:  # what escalated stays so until it is over
            said["severity"] = Alert.Severity.CRITICAL
        worse = said["severity"] == Alert.Severity.CRITICAL != alert.severity
        Alert.objects.filter(pk=alert.pk).update(
            **said, count=F("count") + 1, seen_at=now, **({"untold": "escalated"} if worse else {})
        )
        if worse:
            event(alert, "worse", f"From {alert.severity} to {said['severity']}: {title}", process=process)
        alert.refresh_from_db()
    if new or back:
        event(alert, "returned" if back else "raised", alert.title, process=process)
    if new:
        audit(
            action="alert.raise",
            subject=alert.subject,
            actor=None,
            process=process,
            team=slug(alert),
            payload=told(alert),
        )
    elif back:
        audit(
            action="alert.return",
            subject=alert.subject,
            actor=None,
            process=process,
            team=slug(alert),
            payload=told(alert),
        )
    return alert


@audited()
def alert_clear(
    *, model: RegisteredModel | None = None, team: Team | None = None, key: str, process: str = PROCESS
) -> None:
    """Say that it is over; an alert that is not open stays as it is."""
    team = model.team if model else team
    for alert in Alert.objects.select_for_update(no_key=True).filter(
        team=team, model=model, key=key, cleared_at__isnull=True
    ):
        close(alert, timezone.now())
        event(alert, "cleared", "Its cause is gone.", process=process)
        audit(
            action="alert.clear", subject=alert.subject, actor=None, process=process, team=slug(alert),
            payload={"alert": alert.pk, "kind": alert.kind, "key": key},
        )  # fmt: skip


def close(alert: Alert, now: datetime, **fields: Any) -> None:
    """Mark a locked alert as over; who was told that it is open is told so."""
    Alert.objects.filter(pk=alert.pk).update(
        cleared_at=now, escalated_at=None, silence=None, untold="cleared", **fields
    )


def event(alert: Alert, what: str, text: str = "", *, actor: User | None = None, process: str = "") -> None:
    """Add a line to an alert's timeline."""
    AlertEvent.objects.create(alert=alert, what=what, text=text, actor=actor, process=process)


def rule_of(kind: str, team: Team | None, model: RegisteredModel | None) -> Rule:
    """Return the rule that holds for alerts of a kind about a model, a team or the installation."""
    book = rule_book([team.pk] if team else [], kind)
    return book.of(kind, team.pk if team else None, model.pk if model else None)


def ways_back(kind: str, model: RegisteredModel | None) -> list[dict[str, str]]:
    """Return the way to a former champion, where that may help."""
    if model is None or not kind_of(kind).go_back:
        return []
    return [{"title": "Roll back to a former champion", "path": f"{model.path}#to_version"}]


def slug(alert: Alert) -> str:
    """Return the team that an alert's events are of; empty for the installation."""
    return alert.team.slug if alert.team else ""


def told(alert: Alert) -> dict[str, Any]:
    """Return what the audit trail, and so each webhook, is told of an alert."""
    return {
        "alert": alert.pk, "url": alert.path, "kind": alert.kind, "severity": alert.severity, "title": alert.title,
        "key": alert.key, "link": alert.link, "next_step": alert.next_step, "actions": alert.actions,
    }  # fmt: skip


def _come_back(named: dict[str, Any], rule: Rule, now: datetime) -> Alert | None:
    """Continue the alert that was over lately; two that come at once find one row, and the second finds it open."""
    lately = Alert.objects.filter(**named, cleared_at__gt=now - timedelta(minutes=rule.flap_minutes))
    if not rule.flap_minutes or Alert.objects.filter(**named, cleared_at__isnull=True).exists():
        return None
    alert = lately.select_for_update(of=("self",), no_key=True).order_by("-id").first()
    if alert is None:
        return None
    Alert.objects.filter(pk=alert.pk).update(
        cleared_at=None, resolved_by=None, resolution="", returned=F("returned") + 1, untold="returned"
    )
    alert.refresh_from_db()
    return alert


def _owner(rule: Rule) -> tuple[User | None, str]:
    kind, _, who = rule.owner.partition(":")
    person = User.objects.filter(username=who, is_active=True).first() if kind == "person" else None
    return person, who if kind == "role" else ""
