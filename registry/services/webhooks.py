"""Outgoing webhooks: where a team is told what happens, and another try of what could not be told."""

import base64
import re
import secrets
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs.delivery import deliver_now
from jobs.models import OutboxMessage
from jobs.outbox import outbox_test
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import AuditEvent, Team, Webhook
from registry.services.outgoing import MANAGERS, locked, sent_again
from registry.webhooks.addresses import check_url
from registry.webhooks.events import check_events, cloud_event, mlflow_example
from registry.webhooks.fanout import KIND
from registry.webhooks.sealing import seal

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
NAME_RULE = (
    "It must start and end with a letter or digit, have 63 characters at most, and hold letters, digits, dots (.), "
    "underscores (_) and hyphens (-) alone."
)
MOST_PER_TEAM = 1000
LONGEST_DESCRIPTION = 1000
LONGEST_SECRET = 1000
OVERLAP = timedelta(hours=24)  # in which the former secret signs as well
CHANGEABLE = ("name", "url", "description", "events", "status")


@audited()
def webhook_create(
    *, actor: Actor, team: Team, name: str, url: str, events: Sequence[str], description: str = "",
    flavour: str = Webhook.Flavour.STANDARD, secret: str = "", status: str = Webhook.Status.ACTIVE,
) -> tuple[Webhook, str]:  # fmt: skip
    """Make a webhook of ``team``; its secret is returned once and kept encrypted.

    Args:
        secret: of MLflow's flavour, as its client chose it, or empty for none; of ours it is always made here.

    Raises:
        InvalidError: name, URL or an event is not acceptable.
        ConflictError: the team has as many as it may have.
    """
    actor.require(team, *MANAGERS)
    _check(name=name, description=description, status=status, secret=secret)
    chosen = check_events(events, flavour)
    check_url(url)
    if team.webhooks.count() >= MOST_PER_TEAM:
        raise ConflictError(f"{team.name} has {MOST_PER_TEAM} webhooks; delete one that nobody needs.")
    if flavour == Webhook.Flavour.STANDARD:
        if secret:
            raise InvalidError("The secret of this webhook is made here and shown once; leave it out.", field="secret")
        secret = _new_secret()
    webhook = Webhook.objects.create(
        team=team, flavour=flavour, name=name, url=url, description=description, events=chosen, status=status,
        sealed_secret=seal(secret), created_by=actor.user,
    )  # fmt: skip
    audit(
        action="webhook.create", subject=webhook.path, actor=actor, team=team.slug,
        payload={"flavour": flavour, "after": {field: getattr(webhook, field) for field in CHANGEABLE}},
    )  # fmt: skip
    return webhook, secret


@audited()
def webhook_update(*, actor: Actor, webhook: Webhook, secret: str | None = None, **changes: Any) -> Webhook:
    """Change a webhook; a new URL is checked like the first one, and so is the present one when it is enabled again.

    Args:
        secret: of MLflow's flavour alone, whose client chooses it; ours is rotated.

    Raises:
        InvalidError: a field is unknown or its value not acceptable.
    """
    webhook = locked(actor, webhook)
    for field in changes.keys() - set(CHANGEABLE):
        raise InvalidError(f"{field} cannot be changed.", field=field)
    if "events" in changes:
        changes["events"] = check_events(changes["events"], webhook.flavour)
    before = {field: getattr(webhook, field) for field in changes}
    for field, value in changes.items():
        setattr(webhook, field, value)
    _check(name=webhook.name, description=webhook.description, status=webhook.status, secret=secret or "")
    if "url" in changes or (webhook.is_active and before.get("status") == Webhook.Status.DISABLED):
        check_url(webhook.url)
    if "status" in changes:  # somebody decided, so what we gave up is settled
        webhook.status_reason, webhook.failing_since = "", None
    if secret is not None:
        if webhook.flavour == Webhook.Flavour.STANDARD:
            raise InvalidError("The secret of this webhook is made here; rotate it instead.", field="secret")
        webhook.sealed_secret = seal(secret)
    webhook.save()
    audit(
        action="webhook.update", subject=webhook.path, actor=actor, team=webhook.team.slug,
        payload={"before": before, "after": changes} | ({"secret": "replaced"} if secret is not None else {}),
    )  # fmt: skip
    return webhook


@audited()
def webhook_rotate(*, actor: Actor, webhook: Webhook) -> tuple[Webhook, str]:
    """Give a webhook a new secret, returned this once; the former one signs beside it for a day.

    Raises:
        ConflictError: it is of MLflow's flavour, whose client chooses the secret.
    """
    webhook = locked(actor, webhook)
    if webhook.flavour != Webhook.Flavour.STANDARD:
        raise ConflictError("The secret of an MLflow webhook is set by MLflow's client: update_webhook(secret=…).")
    secret = _new_secret()
    webhook.sealed_former_secret, webhook.sealed_secret = webhook.sealed_secret, seal(secret)
    webhook.former_secret_until = timezone.now() + OVERLAP
    webhook.save()
    audit(
        action="webhook.rotate", subject=webhook.path, actor=actor, team=webhook.team.slug,
        payload={"name": webhook.name, "former_until": webhook.former_secret_until.isoformat()},
    )  # fmt: skip
    return webhook, secret


@audited()
def webhook_delete(*, actor: Actor, webhook: Webhook) -> None:
    """Delete a webhook with all its deliveries; what waits is not sent any more."""
    webhook = locked(actor, webhook)
    audit(
        action="webhook.delete", subject=webhook.path, actor=actor, team=webhook.team.slug,
        payload={"before": {field: getattr(webhook, field) for field in CHANGEABLE}},
    )  # fmt: skip
    OutboxMessage.objects.filter(kind=KIND, destination=str(webhook.pk)).delete()
    webhook.delete()


def webhook_test(*, actor: Actor, webhook: Webhook, event: str = "") -> OutboxMessage:
    """Send one made-up event at once, also to a disabled webhook, and return how it went.

    Args:
        event: which of MLflow's events; the first that the webhook asks for where it is left out.
    """
    message = _test_begin(actor=actor, webhook=webhook, event=event)
    return deliver_now(message) or message


@audited()
def _test_begin(*, actor: Actor, webhook: Webhook, event: str) -> OutboxMessage:
    """Send one made-up event to a webhook, to see whether its receiver works."""
    webhook = locked(actor, webhook)
    audit(
        action="webhook.test", subject=webhook.path, actor=actor, team=webhook.team.slug,
        payload={"name": webhook.name},
    )  # fmt: skip
    test_id = uuid.uuid4()
    return outbox_test(
        kind=KIND, destination=str(webhook.pk), message_id=test_id,
        payload=_test_body(actor, webhook, event, test_id),
    )  # fmt: skip


@audited()
def webhook_redeliver(*, actor: Actor, webhook: Webhook, message: OutboxMessage) -> OutboxMessage:
    """Send a delivery that ended once more, under the same id, so that a receiver which has it can tell.

    Raises:
        ConflictError: it is still under way, was a test, or the webhook is disabled.
    """
    webhook = locked(actor, webhook)
    again = sent_again(message, to="webhook", enabled=webhook.is_active)
    audit(
        action="webhook.redeliver", subject=webhook.path, actor=actor, team=webhook.team.slug,
        payload={"name": webhook.name, "event": message.event, "message": str(message.message_id)},
    )  # fmt: skip
    return again


def _test_body(actor: Actor, webhook: Webhook, event: str, test_id: uuid.UUID) -> dict[str, Any]:
    now = timezone.now()
    if webhook.flavour == Webhook.Flavour.MLFLOW:
        [event] = check_events([event or webhook.events[0]], webhook.flavour)
        return mlflow_example(event, at=now)
    said = AuditEvent(
        actor=actor.user.get_username(), team=webhook.team.slug, action="webhook.test", subject=webhook.path,
        payload={"name": webhook.name},
    )  # fmt: skip
    return cloud_event(said, event_id=test_id, at=now)


def _check(*, name: str, description: str, status: str, secret: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidError(f"Webhook name {name!r} is invalid. {NAME_RULE}", field="name")
    if len(description) > LONGEST_DESCRIPTION:
        raise InvalidError(f"description has {LONGEST_DESCRIPTION} characters at most.", field="description")
    if len(secret) > LONGEST_SECRET:
        raise InvalidError(f"secret has {LONGEST_SECRET} characters at most.", field="secret")
    if status not in Webhook.Status.values:
        raise InvalidError(f"status must be one of {', '.join(Webhook.Status.values)}.", field="status")


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
