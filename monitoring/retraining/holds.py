"""What has to pass before a retraining that is due may start. Pure: numbers and instants in, a reason out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.retraining.parts import Policy
from monitoring.retraining.turns import quiet_until

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Situation:
    """What is so when a due retraining is looked at.

    Attributes:
        asked: a person asked for it, or started what was proposed; then pauses do not hold it.
        last_ended: of the retraining before; None where there was none.
        starts: when those of the last week started.
        labels: labelled predictions of the window; None where they are not counted yet.
        promotion: an open one of the model, as people call it; empty where there is none.
    """

    now: datetime
    asked: bool = False
    last_ended: datetime | None = None
    starts: Sequence[datetime] = ()
    labels: int | None = None
    promotion: str = ""


@dataclass(frozen=True)
class Hold:
    """Why a retraining does not start yet.

    Attributes:
        rule: a short stable name.
        until: when the rule lets go, if the clock alone does it.
    """

    rule: str
    text: str
    until: datetime | None = None


def held_by(policy: Policy, situation: Situation) -> Hold | None:
    """Return the first rule that holds a retraining; None where it may start now.

    What a person asks for waits neither for quiet hours nor for a pause; too few rows, and an open promotion, hold anybody's.
    """
    if not situation.asked and (hold := _paused(policy, situation)):
        return hold
    if situation.promotion:
        return Hold("promotion", f"{situation.promotion} is open: people decide on one candidate after the other.")
    if situation.labels is None:
        return Hold("labels", "Labelled predictions are not counted yet.")
    if situation.labels < policy.min_labels:
        return Hold(
            "labels",
            f"{situation.labels:,} labelled predictions in the last {days(policy.window_days)}; it takes {policy.min_labels:,}.",
        )
    if not situation.asked and policy.automation == "propose":
        return Hold("person", "By its policy a person starts it.")
    return None


def _paused(policy: Policy, situation: Situation) -> Hold | None:
    now, quiet = situation.now, policy.quiet
    if quiet and (until := quiet_until(quiet.begins, quiet.ends, quiet.time_zone, now)):
        return Hold("quiet", f"Quiet hours until {until:%H:%M} ({quiet.time_zone}).", until)
    if situation.last_ended and (until := situation.last_ended + timedelta(seconds=policy.cooldown_s)) > now:
        return Hold(
            "cooldown", f"The last one ended at {situation.last_ended:%d %b %H:%M UTC}; a pause follows.", until
        )
    lately = sorted(start for start in situation.starts if start > now - WEEK)
    if len(lately) >= policy.runs_per_week:
        until = lately[-policy.runs_per_week] + WEEK
        return Hold("budget", f"{len(lately)} started within a week; its policy allows {policy.runs_per_week}.", until)
    return None


def days(count: float) -> str:
    """Return a number of days in words; parts of a day in hours or minutes."""
    if count >= 1:
        return f"{count:g} day{'' if count == 1 else 's'}"
    minutes = round(count * 1440)
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes} min"
