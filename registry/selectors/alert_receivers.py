"""Who is told of an alert: channels by what they ask for, persons by role and by how they want mail."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User

from registry.models import Alert, AlertPreference, Channel, Membership, Role
from registry.selectors.alerts import audience


@dataclass(frozen=True)
class Directory:
    """Channels and persons of all teams that may be told something, read at once."""

    channels: list[Channel]
    members: list[Membership]
    preferences: dict[int, AlertPreference]

    def channels_for(self, alert: Alert, *, escalated: bool) -> list[Channel]:
        """Return the channels that ask for the alert."""
        return [
            channel
            for channel in self.channels
            if (channel.team_id == alert.team_id or (alert.team_id is None and channel.installation))
            and (not channel.kinds or alert.kind in channel.kinds)
            and (channel.least == Alert.Severity.WARNING or alert.severity == Alert.Severity.CRITICAL)
            and (escalated or not channel.escalations)
        ]

    def persons_for(self, alert: Alert) -> list[User]:
        """Return the persons who want mail of the alert, each once."""
        if alert.owner and alert.owner.email and self._wants(alert.owner_id) != AlertPreference.Wants.NONE:
            return [alert.owner]
        roles = audience(alert) if alert.team_id else (Role.ADMIN,)
        held = [m for m in self.members if m.role in roles and alert.team_id in (m.team_id, None)]
        wanting = {m.user_id: m.user for m in held if self._wants_of(m.user_id, alert)}
        return [] if alert.owner_id else list(wanting.values())

    def quiet_until(self, user_id: int, alert: Alert, now: datetime) -> datetime | None:
        """Return when a person's quiet hours end; None where they may be told now."""
        preference = self.preferences.get(user_id)
        if preference is None or (preference.critical_at_once and alert.severity == Alert.Severity.CRITICAL):
            return None
        return quiet_until(preference, now)

    def _wants(self, user_id: int | None) -> str:
        preference = self.preferences.get(user_id or 0)
        return preference.mail if preference else AlertPreference.Wants.CRITICAL

    def _wants_of(self, user_id: int, alert: Alert) -> bool:
        wants = self._wants(user_id)
        return wants == AlertPreference.Wants.ALL or (
            wants == AlertPreference.Wants.CRITICAL and alert.severity == Alert.Severity.CRITICAL
        )


def directory(team_ids: Iterable[int]) -> Directory:
    """Return whom alerts of these teams, and of the installation, may be told."""
    teams = set(team_ids)
    channels = Channel.objects.filter(enabled=True).select_related("team")
    members = Membership.objects.none()
    if settings.MAIL_WORKS:
        members = Membership.objects.filter(user__is_active=True).exclude(user__email="").select_related("user")
    held = [m for m in members if m.team_id in teams or m.role == Role.ADMIN]
    preferences = {p.user_id: p for p in AlertPreference.objects.filter(user__in={m.user_id for m in held})}
    return Directory([c for c in channels if c.team_id in teams or c.installation], held, preferences)


def quiet_until(preference: AlertPreference, now: datetime) -> datetime | None:
    """Return when the quiet hours that hold at ``now`` end, by the person's own clock; None outside of them."""
    begin, end = preference.quiet_from, preference.quiet_until
    if begin is None or end is None or begin == end:
        return None
    here = now.astimezone(ZoneInfo(preference.time_zone))
    clock = here.time()
    if not (begin <= clock < end if begin < end else clock >= begin or clock < end):
        return None
    ends = here.replace(hour=end.hour, minute=end.minute, second=end.second, microsecond=0)
    return ends if ends > here else ends + timedelta(days=1)
