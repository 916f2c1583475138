"""Which alerts a silence holds, and when: once, or again and again by a cron expression in a zone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

CRITICAL_ALONE = timedelta(hours=4)  # for so long one person keeps critical alerts silent; longer takes two


@dataclass(frozen=True)
class About:
    """What an alert is about, as silences and channels match it; None and 0 where it is of no team or model."""

    team: int
    model: int
    kind: str
    severity: str


@dataclass(frozen=True)
class Window:
    """When and what a silence holds.

    Attributes:
        team: whose alerts.
        model, kind, severity: only these; 0 and the empty text: any.
        starts_at, ends_at: from when until when, or within which it recurs.
        cron, zone, minutes: it recurs at these instants for so long (min); without a cron expression it holds throughout.
        confirmed: a second person agreed, so critical alerts are silent for the whole of it.
    """

    team: int
    model: int
    kind: str
    severity: str
    starts_at: datetime
    ends_at: datetime
    cron: str = ""
    zone: str = "UTC"
    minutes: int = 0
    confirmed: bool = False

    def matches(self, about: About) -> bool:
        """Tell whether it is about such an alert, whatever the time."""
        return (
            self.team == about.team
            and self.model in (0, about.model)
            and self.kind in ("", about.kind)
            and self.severity in ("", about.severity)
        )

    def holds(self, about: About, now: datetime) -> bool:
        """Tell whether it keeps such an alert silent at ``now``.

        Critical alerts are kept silent by one person for ``CRITICAL_ALONE`` at most, and by a recurring window not at all.
        """
        if not self.matches(about) or not self.is_on(now):
            return False
        if about.severity != "critical" or self.confirmed:
            return True
        return not self.cron and now < self.starts_at + CRITICAL_ALONE

    def is_on(self, now: datetime) -> bool:
        """Tell whether it is in force at ``now``."""
        if not self.starts_at <= now < self.ends_at:
            return False
        return not self.cron or now < last_tick(self.cron, self.zone, now) + timedelta(minutes=self.minutes)

    @property
    def asks_for_two(self) -> bool:
        """Whether it would keep critical alerts silent for longer than one person may."""
        critical = self.severity in ("", "critical")
        return critical and (bool(self.cron) or self.ends_at - self.starts_at > CRITICAL_ALONE)


def last_tick(cron: str, zone: str, now: datetime) -> datetime:
    """Return the latest instant of ``cron`` at or before ``now``, by the clocks of ``zone``.

    Raises:
        CronSimError: it is no cron expression.
    """
    beyond = now.replace(microsecond=0) + timedelta(seconds=1)  # a backward walk leaves out where it starts
    return next(CronSim(cron, beyond.astimezone(ZoneInfo(zone)), reverse=True))
