"""Turns of a schedule, and hours in which nothing starts. Pure: instants in, instants out."""

from datetime import datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

DAY = timedelta(days=1)


class CronError(ValueError):
    """The expression is no schedule."""


def check_cron(cron: str) -> None:
    """See that an expression of five fields names turns that come.

    Raises:
        CronError: says which field is wrong.
    """
    if len(cron.split()) != 5:
        raise CronError("five fields: minute, hour, day of the month, month, day of the week, such as 0 2 * * 1")
    try:
        next(CronSim(cron, datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))))
    except CronSimError as error:
        raise CronError(f"{error}: minute, hour, day of the month, month, day of the week, such as 0 2 * * 1") from None
    except StopIteration:
        raise CronError("a schedule with turns; this one never comes") from None


def last_turn(cron: str, zone: str, *, after: datetime, until: datetime) -> datetime | None:
    """Return the latest turn in (``after``, ``until``]; None where there was none.

    Turns are those of the zone's clock, as cron of Debian keeps them: one that falls into a skipped hour comes right after it, one
    of a repeated hour comes once.
    """
    place = ZoneInfo(zone)
    # Backwards from just after the end, since an iterator's start is itself no turn.
    turn = next(CronSim(cron, (until + timedelta(minutes=1)).astimezone(place), reverse=True), None)
    while turn is not None and turn > until:
        turn = next(CronSim(cron, turn, reverse=True), None)
    return turn if turn is not None and turn > after else None


def next_turns(cron: str, zone: str, *, after: datetime, count: int) -> list[datetime]:
    """Return the next turns after an instant."""
    return list(islice(CronSim(cron, after.astimezone(ZoneInfo(zone))), count))


def quiet_until(begins: str, ends: str, zone: str, at: datetime) -> datetime | None:
    """Return when the quiet hours end that ``at`` lies in; None where it lies in none.

    Args:
        begins, ends: of a day, as HH:MM by the zone's clock; hours that end before they begin last over midnight.
    """
    place = ZoneInfo(zone)
    today = at.astimezone(place).date()
    first, last = time.fromisoformat(begins), time.fromisoformat(ends)
    for day in (today - DAY, today):
        start = datetime.combine(day, first, place)
        end = datetime.combine(day + DAY if last <= first else day, last, place)
        if start <= at < end:
            return end
    return None
