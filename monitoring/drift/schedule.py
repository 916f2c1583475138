"""When full drift reports are due, by a cron expression in a time zone. Pure: instants in, instants out.

As Debian's cron: an hour that daylight saving leaves out is made up for, one that it repeats counts once.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

SHORTEST = timedelta(hours=1)  # between two reports
TURNS_CHECKED = 100
GRACE = timedelta(hours=1)  # a turn that was missed for longer, as while the clock process was down, is left out
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def check(cron: str, zone: str) -> None:
    """Raise where a schedule makes no sense.

    Raises:
        LookupError: there is no such time zone.
        ValueError: the expression is none of five fields, never comes due, or asks for more than one report an hour.
    """
    if zone not in available_timezones():
        raise LookupError(f"{zone!r} is no time zone of the IANA list, such as Europe/Berlin.")
    if len(cron.split()) != 5:
        raise ValueError(f"{cron!r} has not five fields: minute, hour, day of the month, month, day of the week.")
    try:
        turns = list(islice(CronSim(cron, EPOCH.astimezone(ZoneInfo(zone))), TURNS_CHECKED))
    except CronSimError as error:
        raise ValueError(f"{cron!r} cannot be read: {error}.") from None
    if not turns:
        raise ValueError(f"{cron!r} never comes due.")
    if any(later.astimezone(UTC) - one.astimezone(UTC) < SHORTEST for one, later in pairwise(turns)):
        raise ValueError(f"{cron!r} asks for more than one report an hour.")


def turn_due(cron: str, zone: str, *, now: datetime) -> datetime | None:
    """Return the latest turn until ``now`` (UTC), if it is no older than ``GRACE``."""
    start = (now - GRACE).astimezone(ZoneInfo(zone)) - timedelta(seconds=1)
    turns = (turn.astimezone(UTC) for turn in CronSim(cron, start))
    latest = None
    for turn in turns:
        if turn > now:
            break
        latest = turn
    return latest
