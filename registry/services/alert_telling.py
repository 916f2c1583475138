"""Telling of alerts, by the clock: what is silent, what escalates, who is told of what, and in which messages.

One turn at a time. A turn first says of each alert who is to be told (a notice), then puts the notices that are due into messages
of the outbox, one for each group and receiver, or one digest where a storm blows.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from jobs.outbox import message_of, outbox_post
from jobs.tasks import deliver
from registry.alerting.silences import About
from registry.alerting.texts import Told, message
from registry.audit_trail import audit, audited
from registry.models import Alert, AlertNotice, Silence
from registry.selectors.alert_receivers import Directory, directory
from registry.selectors.alert_rules import RuleBook, rule_book, runbook_of
from registry.selectors.channels import KIND
from registry.services.alerts import event, slug, told

LOCK = 0x616C6572
AT_ONCE = 500
STORM = timedelta(minutes=10)
OPENING = ("raised", "returned", "escalated")


@audited()
def alerts_tell(*, now: datetime | None = None) -> int:
    """Bring silences up to date, escalate what nobody took on, and tell what is due; return how many messages were written."""
    now = now or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
    _silence(now)
    opened = list(
        Alert.objects.open().filter(acknowledged_by__isnull=True, escalated_at__isnull=True, silence__isnull=True)
    )
    book = rule_book({alert.team_id for alert in opened if alert.team_id})
    _escalate(opened, book, now)
    _note(now)
    return _post(now)


def _silence(now: datetime) -> None:
    held = list(Silence.objects.under_way(now))
    alerts = Alert.objects.open()
    if not held:
        alerts = alerts.filter(silence__isnull=False)
    for alert in alerts:
        about = About(alert.team_id or 0, alert.model_id or 0, alert.kind, alert.severity)
        found = next((silence for silence in held if silence.window.holds(about, now)), None)
        if (found.pk if found else None) == alert.silence_id:
            continue
        if not Alert.objects.open().filter(pk=alert.pk).update(silence=found):
            continue  # it was over meanwhile
        if found:
            event(alert, "silenced", found.reason, actor=found.created_by)
        elif not alert.notices.filter(dropped="").exists():
            Alert.objects.filter(pk=alert.pk, untold="").update(untold="raised")
            event(alert, "unsilenced", "Its silence is over and it is still open, so it is told now.")
        else:
            event(alert, "unsilenced", "Its silence is over.")


def _escalate(alerts: list[Alert], book: RuleBook, now: datetime) -> None:
    """Make what nobody took on in time critical, and have it told again, also to second channels."""
    for alert in alerts:
        minutes = book.of(alert.kind, alert.team_id, alert.model_id).escalate_minutes
        if not minutes or alert.raised_at > now - timedelta(minutes=minutes):
            continue
        due = Alert.objects.filter(pk=alert.pk, acknowledged_by=None, escalated_at=None, cleared_at=None)
        if not due.update(severity=Alert.Severity.CRITICAL, escalated_at=now, untold="escalated"):
            continue  # somebody took it on meanwhile
        alert.refresh_from_db()
        event(alert, "escalated", f"Nobody took it on within {minutes} minutes.")
        audit(
            action="alert.escalate", subject=alert.subject, actor=None, process="registry", team=slug(alert),
            payload=told(alert) | {"after_minutes": minutes},
        )  # fmt: skip


def _note(now: datetime) -> None:
    """Write a notice for each receiver of what happened since the last turn."""
    rows = Alert.objects.exclude(untold="").filter(silence__isnull=True).select_related("owner").order_by("id")
    alerts = list(rows.select_for_update(of=("self",), no_key=True)[:AT_ONCE])
    if not alerts:
        return
    whom = directory({alert.team_id for alert in alerts if alert.team_id})
    notices: list[AlertNotice] = []
    for alert in alerts:
        waiting = alert.notices.filter(posted_at__isnull=True, dropped="")
        if alert.cleared_at:
            waiting.update(dropped="over before it was told")
            heard = (
                alert.notices.filter(posted_at__isnull=False, what__in=OPENING)
                .values_list("channel", "person")
                .distinct()
            )
            notices += [
                AlertNotice(alert=alert, what="cleared", written_at=now, channel_id=c, person_id=p) for c, p in heard
            ]
        else:
            already = set(waiting.values_list("channel", "person"))
            notices += [n for n in _receivers(alert, whom, now) if (n.channel_id, n.person_id) not in already]
    AlertNotice.objects.bulk_create(notices)
    Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(untold="")


def _receivers(alert: Alert, whom: Directory, now: datetime) -> list[AlertNotice]:
    escalated = alert.escalated_at is not None
    return [
        *(
            AlertNotice(alert=alert, what=alert.untold, written_at=now, channel=c)
            for c in whom.channels_for(alert, escalated=escalated)
        ),
        *(AlertNotice(alert=alert, what=alert.untold, written_at=now, person=p) for p in whom.persons_for(alert)),
    ]


def _post(now: datetime) -> int:
    """Put the notices that are due into messages."""
    rows = AlertNotice.objects.filter(posted_at__isnull=True, dropped="").order_by("id")
    waiting = list(rows.select_related("alert__model", "alert__team", "channel", "person")[: 4 * AT_ONCE])
    if not waiting:
        return 0
    teams = {notice.alert.team_id for notice in waiting if notice.alert.team_id}
    book, whom = rule_book(teams), directory(teams)
    by_receiver: dict[tuple[int | None, int | None], dict[str, list[AlertNotice]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for notice in waiting:
        by_receiver[notice.channel_id, notice.person_id][notice.alert.group].append(notice)
    written = 0
    for groups in by_receiver.values():
        due = [notices for notices in groups.values() if _is_due(notices, book, whom, now)]
        written += _send(due, book, now) if due else 0
    if written:
        transaction.on_commit(deliver.delay)
    return written


def _is_due(notices: list[AlertNotice], book: RuleBook, whom: Directory, now: datetime) -> bool:
    """Tell whether the notices of one group may go to their receiver now."""
    first = notices[0]
    if first.written_at > now - timedelta(seconds=settings.ALERT_GROUP_SECONDS):
        return False  # what belongs to it may still come
    if first.person_id and all(whom.quiet_until(first.person_id, notice.alert, now) for notice in notices):
        return False
    pause = timedelta(
        minutes=min(book.of(n.alert.kind, n.alert.team_id, n.alert.model_id).notify_minutes for n in notices)
    )
    told = AlertNotice.objects.filter(
        channel=first.channel_id, person=first.person_id, alert__group=first.alert.group, posted_at__gt=now - pause
    )
    if not told.exists() or any(notice.what == "escalated" for notice in notices):
        return True
    if any(
        notice.what != "cleared" and notice.alert.severity == "critical" and not notice.alert.returned
        for notice in notices
    ):
        return not told.filter(alert__severity="critical").exists()  # worse than what was told
    return all(
        notice.what == "cleared" and notice.alert.returned < 2 for notice in notices
    )  # good news, but of no flapping


def _send(due: list[list[AlertNotice]], book: RuleBook, now: datetime) -> int:
    first = due[0][0]
    lately = AlertNotice.objects.filter(channel=first.channel_id, person=first.person_id, posted_at__gt=now - STORM)
    messages = lately.filter(message__isnull=False).values("message").distinct()
    room = settings.ALERT_STORM_MESSAGES - messages.count()
    if len(due) <= room:
        for notices in due:
            _write(notices, book, now, digest=False)
        return len(due)
    if lately.filter(message__event="alert.digest").exists():
        return 0  # one at a time: the rest waits for the next
    _write([notice for notices in due for notice in notices], book, now, digest=True)
    return 1


def _write(notices: list[AlertNotice], book: RuleBook, now: datetime, *, digest: bool) -> None:
    first = notices[0]
    text = message([_told(notice, book) for notice in notices], home=settings.WEB_URL, digest=digest)
    to = str(first.channel_id) if first.channel_id else f"person:{first.person_id}"
    over = all(notice.what == "cleared" for notice in notices)
    sent = message_of(
        kind=KIND, destination=to, event="alert.digest" if digest else "alert.clear" if over else "alert.raise",
        payload={"subject": text.subject, "body": text.body, "severe": text.severe, "alerts": [n.alert_id for n in notices],
                 "group": "" if digest else first.alert.group},
    )  # fmt: skip
    outbox_post([sent])
    AlertNotice.objects.filter(pk__in=[notice.pk for notice in notices]).update(posted_at=now, message=sent)


def _told(notice: AlertNotice, book: RuleBook) -> Told:
    alert = notice.alert
    return Told(
        what=notice.what, about=alert.about, title=alert.title, severity=alert.severity, raised_at=alert.raised_at, path=alert.path,
        next_step=alert.next_step, link=alert.link, runbook=runbook_of(alert, book), count=alert.count, returned=alert.returned,
        actions=tuple((a["title"], a["path"], a.get("until", "")) for a in alert.ways),
    )  # fmt: skip
