"""When a source is due again, by a cron expression in a time zone. Pure: instants in, instants out."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from registry.errors import InvalidError

LEAST = timedelta(minutes=5)


def check_cron(cron: str, zone: str) -> None:
    """See that an expression can be read, comes due, and not more often than every five minutes.

    Raises:
        InvalidError: says what is wrong.
    """
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidError(f"There is no time zone {zone}.", field="time_zone") from None
    if len(cron.split()) != 5:
        raise InvalidError(
            "A schedule has five fields: minute, hour, day of the month, month, day of the week.", field="cron"
        )
    try:
        turns = CronSim(cron, datetime(2026, 1, 1, tzinfo=place))
        found = [next(turns) for _ in range(50)]
    except (CronSimError, StopIteration):
        raise InvalidError(f"{cron!r} cannot be read as a schedule, or never comes due.", field="cron") from None
    if any(b - a < LEAST for a, b in pairwise(found)):
        raise InvalidError("A source is read every five minutes at most.", field="cron")


def turn_due(cron: str, zone: str, *, since: datetime, now: datetime) -> datetime | None:
    """Return the latest turn after ``since`` that has come, if there is one; turns that were missed count once."""
    turn = next(CronSim(cron, (now + timedelta(seconds=1)).astimezone(ZoneInfo(zone)), reverse=True)).astimezone(UTC)
    return turn if since < turn <= now else None
