"""The window that an objective is measured over, now: rolling, or a day, week, month or quarter of a time zone. Pure arithmetic."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

BY_HOUR = timedelta(days=8)  # windows shorter than this are drawn by the hour, the others by the day


class Calendar(StrEnum):
    """Whole units of the calendar."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


@dataclass(frozen=True)
class Window:
    """From an instant up to another, both in UTC.

    Attributes:
        end: of a rolling window it is now; of the calendar's the end of the unit, mostly still to come.
        zone: whose midnights part the days.
    """

    start: datetime
    end: datetime
    zone: str = "UTC"

    @property
    def length(self) -> timedelta:
        """How long it really lasts: a day is 23 or 25 hours where the clocks are changed."""
        return self.end - self.start

    @property
    def minutes(self) -> float:
        """Its length in minutes."""
        return self.length / timedelta(minutes=1)

    @property
    def by_hour(self) -> bool:
        """Whether it is drawn by the hour, else by the day."""
        return self.length < BY_HOUR

    def steps(self, now: datetime) -> list[datetime]:
        """Return the starts of its hours or of the days of its zone, in UTC, up to ``now``, oldest first."""
        until = min(now, self.end - timedelta(microseconds=1))
        if self.by_hour:
            first = self.start.replace(minute=0, second=0, microsecond=0)
            return [first + n * timedelta(hours=1) for n in range((until - first) // timedelta(hours=1) + 1)]
        zone = ZoneInfo(self.zone)
        day, last = self.start.astimezone(zone).date(), until.astimezone(zone).date()
        return [midnight(day + timedelta(days=n), zone) for n in range((last - day).days + 1)]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day in a zone, in UTC; where the clocks skip midnight, that is what comes after."""
    wall = datetime.combine(day, time(), zone)
    return wall.astimezone(UTC)


def rolling(days: int, *, now: datetime, zone: str = "UTC") -> Window:
    """Return the last so many times 24 hours; ``zone`` parts its days."""
    return Window(now - timedelta(days=days), now, zone)


def calendar(unit: str, *, zone: str, now: datetime) -> Window:
    """Return the day, week (from Monday), month or quarter of ``zone`` that ``now`` lies in.

    Raises: ValueError: there is no such unit; ZoneInfoNotFoundError: there is no such zone.
    """
    place = ZoneInfo(zone)
    today = now.astimezone(place).date()
    first, after = _bounds(Calendar(unit), today)
    return Window(midnight(first, place), midnight(after, place), zone)


def _bounds(unit: Calendar, today: date) -> tuple[date, date]:
    if unit is Calendar.DAY:
        return today, today + timedelta(days=1)
    if unit is Calendar.WEEK:
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    months = 1 if unit is Calendar.MONTH else 3
    first = today.replace(month=(today.month - 1) // months * months + 1, day=1)
    return first, _later(first, months)


def _later(first: date, months: int) -> date:
    count = first.month - 1 + months
    return first.replace(year=first.year + count // 12, month=count % 12 + 1)
