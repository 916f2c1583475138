"""Hysteresis: how many looks in a row, and for how long, found the same; and whether that is enough."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.alerting.rules import Rule


@dataclass(frozen=True)
class Streak:
    """Looks in a row that found the same.

    Attributes:
        breached: what they found.
        count: how many they are.
        since: when the first one was.
    """

    breached: bool
    count: int
    since: datetime


def after(streak: Streak | None, *, breached: bool, now: datetime) -> Streak:
    """Return the streak once another look found ``breached``."""
    if streak is None or streak.breached != breached:
        return Streak(breached, 1, now)
    return Streak(breached, streak.count + 1, streak.since)


def is_enough(streak: Streak, rule: Rule, *, now: datetime) -> bool:
    """Tell whether a streak is long enough to raise what it found, or to clear it."""
    count, minutes = (rule.breaches, rule.breach_minutes) if streak.breached else (rule.goods, rule.good_minutes)
    return streak.count >= count and now - streak.since >= timedelta(minutes=minutes)
