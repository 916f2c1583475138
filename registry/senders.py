"""Who sends the outbox's messages: of kind ``webhook`` here, of kind ``alert`` in ``alert_sender``."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime

from django.db.models.functions import Now
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from jobs.models import OutboxMessage
from jobs.outbox import TEST
from jobs.senders import Answer, declare_sender
from jobs.states import Delivery
from registry.adapters import workspace_of
from registry.alert_sender import AlertSender
from registry.audit_trail import audit
from registry.errors import InvalidError
from registry.models import Webhook
from registry.selectors.channels import KIND as ALERT
from registry.webhooks.addresses import parse_url
from registry.webhooks.fanout import KIND
from registry.webhooks.request import GONE, post
from registry.webhooks.sealing import UnreadableSecretError, unseal


class WebhookSender:
    """Signs and posts, and disables a webhook whose receiver is gone."""

    def prepare(self, message: OutboxMessage) -> Callable[[], Answer]:
        """Return the call that posts the message, or one that says why it cannot be posted."""
        webhook = Webhook.objects.select_related("team").filter(pk=int(message.destination)).first()
        if webhook is None or not (webhook.is_active or message.event == TEST):
            return _refused("The webhook is disabled." if webhook else "The webhook was deleted.")
        try:
            target = parse_url(webhook.url)
            body, headers = signed(webhook, message, at=timezone.now())
        except (InvalidError, UnreadableSecretError) as refusal:
            return _refused(str(refusal))
        return lambda: post(target, body.encode(), headers)

    def settle(self, message: OutboxMessage, answer: Answer) -> None:
        """Note success or failure with the webhook.

        It is disabled when the receiver says that it is gone, or when a message ran out of attempts and nothing else
        got through since that message was written.
        """
        webhook = (
            Webhook.objects.select_for_update(of=("self",), no_key=True).filter(pk=int(message.destination)).first()
        )
        if webhook is None:
            return
        row = Webhook.objects.filter(pk=webhook.pk)
        if answer.ok:
            row.update(last_success_at=Now(), failing_since=None)
            return
        if not webhook.is_active or message.event == TEST:
            return
        if webhook.failing_since is None:
            row.update(failing_since=Now())
        through = webhook.last_success_at and webhook.last_success_at >= message.created_at
        ran_out = message.state == Delivery.DEAD and not answer.final
        if answer.status == GONE or (ran_out and not through):
            _disable(webhook, answer)


def _disable(webhook: Webhook, answer: Answer) -> None:
    """Tell a webhook nothing any more, since its receiver is gone or took nothing for a whole set of attempts."""
    reason = (
        "Its receiver answered 410: it is gone for good."
        if answer.status == GONE
        else f"Every attempt of a delivery failed, and nothing else got through. The last one: {answer.error}"
    )[:300]
    Webhook.objects.filter(pk=webhook.pk).update(
        status=Webhook.Status.DISABLED, status_reason=reason, updated_at=Now()
    )  # fmt: skip
    audit(
        action="webhook.disable", subject=webhook.path, actor=None, process="outbox", team=webhook.team.slug,
        payload={"name": webhook.name, "reason": reason},
    )  # fmt: skip


def signed(webhook: Webhook, message: OutboxMessage, *, at: datetime) -> tuple[str, dict[str, str]]:
    """Return body and headers of one attempt; the id is that of the message, the time that of the attempt.

    Raises:
        UnreadableSecretError: the secret cannot be opened any more.
    """
    if webhook.flavour == Webhook.Flavour.MLFLOW:
        return _as_mlflow(webhook, message, at)
    body, sent_at = json.dumps(message.payload), at.astimezone(UTC)
    secrets = [webhook.sealed_secret]
    if webhook.former_secret_until and webhook.former_secret_until > at:
        secrets.append(webhook.sealed_former_secret)
    signatures = [Signer(unseal(sealed)).sign(str(message.message_id), sent_at, body) for sealed in secrets]
    return body, {
        "Content-Type": "application/cloudevents+json",
        "webhook-id": str(message.message_id),
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _as_mlflow(webhook: Webhook, message: OutboxMessage, at: datetime) -> tuple[str, dict[str, str]]:
    """Return what MLflow 3.17 sends. Source: mlflow/webhooks/delivery.py, `_send_webhook_request`."""
    body = json.dumps(message.payload | {"workspace": workspace_of(webhook.team)})
    stamp = str(int(at.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": str(message.message_id),
        "X-MLflow-Timestamp": stamp,
    }
    if secret := unseal(webhook.sealed_secret):
        signature = hmac.digest(secret.encode(), f"{message.message_id}.{stamp}.{body}".encode(), hashlib.sha256)
        headers["X-MLflow-Signature"] = f"v1,{base64.b64encode(signature).decode()}"
    return body, headers


def _refused(reason: str) -> Callable[[], Answer]:
    return lambda: Answer(ok=False, error=reason, final=True)


declare_sender(KIND, WebhookSender())
declare_sender(ALERT, AlertSender())
