"""Who sends messages about alerts: by mail to persons and channels, by apprise to chats."""

import hashlib
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection
from django.db.models.functions import Now

from jobs.models import OutboxMessage
from jobs.outbox import TEST
from jobs.senders import Answer
from registry.models import AlertPreference, Channel
from registry.webhooks.chats import send_chat
from registry.webhooks.sealing import UnreadableSecretError, unseal


class AlertSender:
    """Finds out to whom, when it is sent: who left a team meanwhile is told nothing."""

    def prepare(self, message: OutboxMessage) -> Callable[[], Answer]:
        """Return the call that sends the message, or one that says why it cannot be sent."""
        told = message.payload
        if message.destination.startswith("person:"):
            user = User.objects.filter(pk=int(message.destination.removeprefix("person:")), is_active=True).first()
            wants = AlertPreference.objects.filter(user=user).values_list("mail", flat=True).first()
            if user is None or not user.email or wants == AlertPreference.Wants.NONE:
                return _refused("The person is gone, or wants no mail any more.")
            return lambda: send_mail([user.email], message)
        channel = Channel.objects.select_related("team").filter(pk=int(message.destination)).first()
        if channel is None or not (channel.enabled or message.event == TEST):
            return _refused("The channel is disabled." if channel else "The channel was deleted.")
        if channel.kind == Channel.Kind.MAIL:
            members = User.objects.filter(
                memberships__team=channel.team, memberships__role__in=channel.roles, is_active=True
            ).exclude(email="")
            to = sorted({*members.values_list("email", flat=True), *channel.addresses})
            return (lambda: send_mail(to, message)) if to else _refused("Nobody with these roles has a mail address.")
        try:
            url = unseal(channel.sealed_url)
        except UnreadableSecretError as refusal:
            return _refused(str(refusal).replace("the webhook a new secret", "the channel its address again"))
        return lambda: send_chat(url, title=told["subject"], body=told["body"], severe=told["severe"])

    def settle(self, message: OutboxMessage, answer: Answer) -> None:
        """Note success or failure with the channel."""
        if message.destination.startswith("person:"):
            return
        row = Channel.objects.filter(pk=int(message.destination))
        if answer.ok:
            row.update(last_success_at=Now(), failing_since=None)
        elif message.event != TEST:
            row.filter(failing_since__isnull=True).update(failing_since=Now())


def send_mail(to: list[str], message: OutboxMessage) -> Answer:
    """Send one mail; nobody sees who else got it, and a second attempt has the same Message-ID."""
    told, host = message.payload, settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">") or "localhost"
    headers = {"Message-ID": f"<{message.message_id}@{host}>", "Auto-Submitted": "auto-generated"}
    if told.get("group"):  # mails about one group stand together in a mail program
        headers["References"] = f"<group-{hashlib.sha256(told['group'].encode()).hexdigest()[:16]}@{host}>"
    if told["severe"]:
        headers["Importance"] = "high"
    mail = EmailMessage(
        told["subject"], told["body"], settings.DEFAULT_FROM_EMAIL, to if len(to) == 1 else [],
        bcc=to if len(to) > 1 else [], headers=headers, connection=get_connection(fail_silently=False),
    )  # fmt: skip
    try:
        mail.send()
    except OSError as error:  # what smtplib raises is one
        code = getattr(error, "smtp_code", None)
        return Answer(ok=False, status=code, error=f"The mail server did not take it: {type(error).__name__}.")
    return Answer(ok=True)


def _refused(reason: str) -> Callable[[], Answer]:
    return lambda: Answer(ok=False, error=reason, final=True)
