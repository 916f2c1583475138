"""Where alerts are told beside the inbox: channels of a team, mail to persons, and what was told."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs.models import OutboxMessage
from registry.models.alerts import Alert
from registry.models.teams import Team


class Channel(models.Model):
    """Where a team's alerts are told: mail, or a chat by an address that holds its own secret."""

    class Kind(models.TextChoices):
        MAIL = "mail", "Mail"
        CHAT = "chat", "Chat or pager"

    team = models.ForeignKey(Team, models.CASCADE, related_name="channels")
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=63)
    roles = models.JSONField(default=list, help_text="of mail: members with these roles get it")
    addresses = models.JSONField(
        default=list, help_text="of mail: lists beside them, of domains that the installation allows"
    )
    sealed_url = models.TextField(blank=True, help_text="of chat: encrypted, and never shown again")
    place = models.CharField(max_length=100, blank=True, help_text="of chat: the service and host, without a secret")
    kinds = models.JSONField(default=list, help_text="which kinds of alerts; empty: any")
    least = models.CharField(
        max_length=10, choices=Alert.Severity, default=Alert.Severity.WARNING, help_text="how severe they are at least"
    )
    escalations = models.BooleanField(default=False, help_text="told only what nobody took on in time")
    installation = models.BooleanField(default=False, help_text="also told what is of no team")
    enabled = models.BooleanField(default=True)
    last_success_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True, help_text="the first failure since the last success")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="channel_name_unique_per_team"),
            models.CheckConstraint(condition=~Q(kind="chat") | ~Q(sealed_url=""), name="chat_channel_has_an_address"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """The address of its page, which is also its subject in the audit trail."""
        return f"/settings/channels/{self.pk}/"


class AlertPreference(models.Model):
    """How one person wants mail about alerts."""

    class Wants(models.TextChoices):
        NONE = "none", "None"
        CRITICAL = "critical", "Critical ones, and those I own"
        ALL = "all", "All that wait in my inbox"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="alert_preference")
    mail = models.CharField(max_length=10, choices=Wants, default=Wants.CRITICAL)
    quiet_from = models.TimeField(null=True, blank=True, help_text="no mail from then on")
    quiet_until = models.TimeField(null=True, blank=True, help_text="until then; what came up meanwhile is told then")
    time_zone = models.CharField(max_length=60, default="UTC")
    critical_at_once = models.BooleanField(default=True, help_text="critical alerts ask for no quiet hours")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_begin_and_end",
            )
        ]

    def __str__(self) -> str:
        return f"mail of {self.user}"


class AlertNotice(models.Model):
    """What one channel or person is told of one alert: waiting, in a message, or dropped with a reason."""

    alert = models.ForeignKey(Alert, models.PROTECT, related_name="notices")
    what = models.CharField(max_length=10, help_text="raised, returned, escalated or cleared")
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, blank=True, related_name="notices")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    written_at = models.DateTimeField(default=timezone.now)
    posted_at = models.DateTimeField(null=True)
    message = models.ForeignKey(OutboxMessage, models.SET_NULL, null=True, related_name="alert_notices")
    dropped = models.CharField(max_length=100, blank=True, help_text="why nobody was told")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["channel", "person"], name="notice_waits", condition=Q(posted_at__isnull=True, dropped="")
            ),
            models.Index(
                fields=["channel", "person", "-posted_at"], name="notice_posted", condition=Q(posted_at__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(channel__isnull=False, person__isnull=True) | Q(channel__isnull=True, person__isnull=False),
                name="notice_has_one_receiver",
            )
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.alert_id}"
