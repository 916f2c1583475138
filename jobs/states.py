"""What may happen to a job, and when. Pure: no ORM, clock or settings."""

from enum import StrEnum

from jobs.state_table import StateTable

LONGEST_BACKOFF_S = 300.0
LONGEST_PAUSE_S = 6 * 3600.0


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether a job in this state will not move by itself."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Event(StrEnum):
    """What moves a job."""

    CLAIM = "be claimed"
    FINISH = "finish"
    GIVE_UP = "fail"
    TRY_AGAIN = "be queued again"
    CANCEL = "be cancelled"
    RETRY = "be retried"


JOB = StateTable(
    "a job",
    {
        (State.QUEUED, Event.CLAIM): State.RUNNING,
        (State.QUEUED, Event.CANCEL): State.CANCELLED,
        (State.RUNNING, Event.FINISH): State.SUCCEEDED,
        (State.RUNNING, Event.TRY_AGAIN): State.QUEUED,
        (State.RUNNING, Event.GIVE_UP): State.FAILED,
        (State.RUNNING, Event.CANCEL): State.CANCELLED,
        (State.FAILED, Event.RETRY): State.QUEUED,
        (State.CANCELLED, Event.RETRY): State.QUEUED,
    },
)


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    LOST = "lost"
    RETURNED = "returned"


def event_after(*, cancel_requested: bool, attempt: int, max_attempts: int) -> Event:
    """Return what follows an attempt that did not succeed: a wish to cancel wins, then attempts are bounded."""
    if cancel_requested:
        return Event.CANCEL
    return Event.TRY_AGAIN if attempt < max_attempts else Event.GIVE_UP


def backoff_s(attempt: int, *, first_s: float) -> float:
    """Return how long to wait (s) after failed attempt ``attempt`` (from 1): doubling from ``first_s`` to 5 minutes."""
    return min(first_s * 2.0 ** min(attempt - 1, 30), LONGEST_BACKOFF_S)


class Delivery(StrEnum):
    """Where a message of the outbox stands."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


def pause_s(attempt: int, *, first_s: float, jitter: float, asked_s: float = 0.0) -> float:
    """Return how long a message waits (s) after failed attempt ``attempt`` (from 1): four times longer each time.

    Args:
        first_s: after the first attempt; the longest pause is 6 hours.
        jitter: a random number in [0, 1) that spreads the pause by a fifth to either side, so that receivers which
            failed together are not tried together.
        asked_s: how long the receiver asked to be left alone; honoured within the longest pause.
    """
    grown = min(first_s * 4.0 ** min(attempt - 1, 15), LONGEST_PAUSE_S)
    return max(grown * (0.8 + 0.4 * jitter), min(asked_s, LONGEST_PAUSE_S))
