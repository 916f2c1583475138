"""Channels: where a team's alerts are told beside the inbox; and how each person wants mail."""

import re
import uuid
from collections.abc import Mapping
from datetime import time
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from jobs.delivery import deliver_now
from jobs.models import OutboxMessage
from jobs.outbox import outbox_test
from registry.access import Actor
from registry.alerting.kinds import KINDS
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import Alert, AlertPreference, Channel, Role, Team
from registry.selectors.channels import KIND
from registry.services.outgoing import MANAGERS, locked, sent_again
from registry.webhooks.chats import check_chat
from registry.webhooks.sealing import seal

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._ -]{0,61}[A-Za-z0-9])?")
MOST_PER_TEAM = 50
CHANGEABLE = ("name", "roles", "addresses", "url", "kinds", "least", "escalations", "installation", "enabled")
KEPT = tuple(name for name in CHANGEABLE if name != "url")


@audited()
def channel_create(*, actor: Actor, team: Team, kind: str, **fields: Any) -> Channel:
    """Make a channel of ``team``; the address of a chat is kept encrypted and never shown again.

    Raises:
        InvalidError: a field is unknown or its value not acceptable.
        ConflictError: the name is taken, or the team has as many as it may have.
    """
    actor.require(team, *MANAGERS)
    if kind not in Channel.Kind.values:
        raise InvalidError(f"kind must be one of {', '.join(Channel.Kind.values)}.", field="kind")
    if team.channels.count() >= MOST_PER_TEAM:
        raise ConflictError(f"{team.name} has {MOST_PER_TEAM} channels; delete one that nobody reads.")
    channel = Channel(team=team, kind=kind, created_by=actor.user)
    _set(actor, channel, fields)
    audit(
        action="channel.create", subject=channel.path, actor=actor, team=team.slug,
        payload={"kind": kind, "after": {name: getattr(channel, name) for name in (*KEPT, "place")}},
    )  # fmt: skip
    return channel


@audited()
def channel_update(*, actor: Actor, channel: Channel, **changes: Any) -> Channel:
    """Change a channel; a new address is checked like the first one.

    Raises:
        InvalidError: a field is unknown or its value not acceptable.
        ConflictError: the name is taken.
    """
    channel = locked(actor, channel)
    before = {name: getattr(channel, name) for name in changes if name in KEPT}
    _set(actor, channel, changes)
    after = {name: getattr(channel, name) for name in before}
    audit(
        action="channel.update", subject=channel.path, actor=actor, team=channel.team.slug,
        payload={"before": before, "after": after} | ({"url": "replaced", "place": channel.place} if changes.get("url") else {}),
    )  # fmt: skip
    return channel


@audited()
def channel_delete(*, actor: Actor, channel: Channel) -> None:
    """Delete a channel with what it was told; what waits is not sent any more."""
    channel = locked(actor, channel)
    audit(
        action="channel.delete", subject=channel.path, actor=actor, team=channel.team.slug,
        payload={"before": {name: getattr(channel, name) for name in (*KEPT, "place")}},
    )  # fmt: skip
    OutboxMessage.objects.filter(kind=KIND, destination=str(channel.pk)).delete()
    channel.delete()


def channel_test(*, actor: Actor, channel: Channel) -> OutboxMessage:
    """Send one made-up message at once, also to a disabled channel, and return how it went."""
    message = _test_begin(actor=actor, channel=channel)
    return deliver_now(message) or message


@audited()
def _test_begin(*, actor: Actor, channel: Channel) -> OutboxMessage:
    """Send one made-up message to a channel, to see whether it arrives."""
    channel = locked(actor, channel)
    audit(
        action="channel.test", subject=channel.path, actor=actor, team=channel.team.slug, payload={"name": channel.name}
    )  # fmt: skip
    text = f"A test of the channel {channel.name} of {channel.team.name}, sent by {actor.user.get_username()}.\n"
    return outbox_test(
        kind=KIND, destination=str(channel.pk), message_id=uuid.uuid4(),
        payload={"subject": f"Test of {channel.name}", "body": f"{text}\n{settings.WEB_URL}{channel.path}\n", "severe": False},
    )  # fmt: skip


@audited()
def channel_redeliver(*, actor: Actor, channel: Channel, message: OutboxMessage) -> OutboxMessage:
    """Send a message that ended once more.

    Raises:
        ConflictError: it is still under way, was a test, or the channel is disabled.
    """
    channel = locked(actor, channel)
    again = sent_again(message, to="channel", enabled=channel.enabled)
    audit(
        action="channel.redeliver", subject=channel.path, actor=actor, team=channel.team.slug,
        payload={"name": channel.name, "event": message.event, "message": str(message.message_id)},
    )  # fmt: skip
    return again


@audited()
def preference_set(
    *, actor: Actor, mail: str, quiet_from: time | None = None, quiet_until: time | None = None, time_zone: str = "UTC",
    critical_at_once: bool = True,
) -> AlertPreference:  # fmt: skip
    """Say which mail about alerts one wants, and when not; it concerns the actor alone.

    Raises:
        InvalidError: a value is not acceptable, or quiet hours have no end.
    """
    if mail not in AlertPreference.Wants.values:
        raise InvalidError(f"mail must be one of {', '.join(AlertPreference.Wants.values)}.", field="mail")
    if (quiet_from is None) != (quiet_until is None):
        raise InvalidError("Quiet hours need a beginning and an end.", field="quiet_until")
    if time_zone not in available_timezones():
        raise InvalidError(f"{time_zone!r} is no time zone; say it as Europe/Berlin.", field="time_zone")
    wanted = {
        "mail": mail, "quiet_from": quiet_from, "quiet_until": quiet_until, "time_zone": time_zone,
        "critical_at_once": critical_at_once,
    }  # fmt: skip
    preference, _ = AlertPreference.objects.update_or_create(user=actor.user, defaults=wanted)
    audit(
        action="alert_preference.set", subject="/settings/mail/", actor=actor,
        payload={name: value if isinstance(value, bool) else str(value or "") for name, value in wanted.items()},
    )  # fmt: skip
    return preference


def _set(actor: Actor, channel: Channel, fields: Mapping[str, Any]) -> None:
    for name in fields.keys() - set(CHANGEABLE):
        raise InvalidError(f"{name} is no field of a channel.", field=name)
    if fields.get("installation") and not channel.installation:
        actor.require(channel.team, Role.ADMIN)
    for name in KEPT:
        if name in fields:
            setattr(channel, name, fields[name])
    if url := fields.get("url"):
        if channel.kind != Channel.Kind.CHAT:
            raise InvalidError("Mail has no address of this kind; name roles or addresses.", field="url")
        channel.place, channel.sealed_url = check_chat(url), seal(url.strip())
        channel.failing_since = None
    _check(channel)
    try:
        with transaction.atomic():
            channel.save()
    except IntegrityError:
        raise ConflictError(f"{channel.team.name} has a channel called {channel.name}.") from None


def _check(channel: Channel) -> None:
    if not NAME.fullmatch(channel.name):
        raise InvalidError("name has up to 63 letters, digits, dots, spaces, hyphens and underscores.", field="name")
    if unknown := [kind for kind in channel.kinds if kind not in KINDS]:
        raise InvalidError(f"kinds: there is no kind {unknown[0]!r}.", field="kinds")
    if channel.least not in Alert.Severity.values:
        raise InvalidError("least is warning or critical.", field="least")
    if channel.kind == Channel.Kind.CHAT:
        if not channel.sealed_url:
            raise InvalidError("A chat needs its address, such as slack://….", field="url")
        if channel.roles or channel.addresses:
            raise InvalidError("roles and addresses go with mail.", field="roles")
        return
    if not settings.MAIL_WORKS:
        raise InvalidError("No mail server is set. Who runs the installation can set EMAIL_HOST.", field="kind")
    if unknown := [role for role in channel.roles if role not in Role.values]:
        raise InvalidError(f"roles: {unknown[0]!r} is none of {', '.join(Role.values)}.", field="roles")
    if not channel.roles and not channel.addresses:
        raise InvalidError("Mail needs roles or addresses.", field="roles")
    for address in channel.addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise InvalidError(f"addresses: {address!r} is no mail address.", field="addresses") from None
        if address.rpartition("@")[2].lower() not in {domain.lower() for domain in settings.ALERT_MAIL_DOMAINS}:
            raise InvalidError(
                f"addresses: {address} is of a domain that nobody vouched for. A platform engineer can add it to ALERT_MAIL_DOMAINS.",
                field="addresses",
            )
