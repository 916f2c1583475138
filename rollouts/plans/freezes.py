"""When nothing may begin or advance. Pure: instants in, instants out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from rollouts.plans.parts import Freeze


@dataclass(frozen=True)
class Frozen:
    """A freeze that holds now: why, and until when."""

    reason: str
    until: datetime


def frozen(freezes: Iterable[Freeze], now: datetime) -> Frozen | None:
    """Return the freeze that holds at ``now``, of several the one that ends last; None where none does.

    A weekly one whose ``to_time`` is not after its ``from_time`` ends on the next day.
    """
    held = [Frozen(freeze.reason, until) for freeze in freezes if (until := _ends(freeze, now))]
    return max(held, key=lambda one: one.until, default=None)


def _ends(freeze: Freeze, now: datetime) -> datetime | None:
    if freeze.starts_at:
        starts, ends = datetime.fromisoformat(freeze.starts_at), datetime.fromisoformat(freeze.ends_at)
        return ends if starts <= now < ends else None
    zone = ZoneInfo(freeze.time_zone)
    today = now.astimezone(zone).date()
    begins, ends_at = time.fromisoformat(freeze.from_time), time.fromisoformat(freeze.to_time)
    for day in (today, today - timedelta(days=1)):
        if day.weekday() not in freeze.days:
            continue
        starts = datetime.combine(day, begins, zone)
        ends = datetime.combine(day + timedelta(days=ends_at <= begins), ends_at, zone)
        if starts <= now < ends:
            return ends
    return None
