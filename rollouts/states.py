"""What may happen to a rollout, as a table. Pure: no ORM, clock or settings."""

from enum import StrEnum

from jobs.state_table import StateTable


class State(StrEnum):
    """Where a rollout stands. Whether it is paused is another question: it may be anywhere."""

    PENDING = "pending"
    SHADOW = "shadow"
    CANARY = "canary"
    AWAITING = "awaiting"  # a person's decision: a gate, or nothing known at the deadline
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"

    @property
    def is_open(self) -> bool:
        """Whether it still goes on."""
        return self in OPEN


class Ask(StrEnum):
    """Which decision a rollout awaits."""

    STEP = "step"  # whether the next step begins: its gate
    PROMOTE = "promote"  # whether the candidate becomes champion: the plan's last gate
    DEADLINE = "deadline"  # what to do, since nothing is known by now


OPEN = (State.PENDING, State.SHADOW, State.CANARY, State.AWAITING)


class Event(StrEnum):
    """What moves a rollout."""

    SHADOW = "begin its shadow phase"
    STEP = "begin a step"
    ASK = "wait for a decision"
    PROMOTE = "be promoted"
    FAIL = "be rolled back"
    ABORT = "be aborted"


ROLLOUT = StateTable(
    "a rollout",
    {
        (State.PENDING, Event.SHADOW): State.SHADOW,
        (State.PENDING, Event.STEP): State.CANARY,
        (State.PENDING, Event.ASK): State.AWAITING,
        (State.PENDING, Event.FAIL): State.ROLLED_BACK,
        (State.PENDING, Event.ABORT): State.ABORTED,
        (State.SHADOW, Event.STEP): State.CANARY,
        (State.SHADOW, Event.ASK): State.AWAITING,
        (State.SHADOW, Event.FAIL): State.ROLLED_BACK,
        (State.SHADOW, Event.ABORT): State.ABORTED,
        (State.CANARY, Event.STEP): State.CANARY,
        (State.CANARY, Event.ASK): State.AWAITING,
        (State.CANARY, Event.PROMOTE): State.PROMOTED,
        (State.CANARY, Event.FAIL): State.ROLLED_BACK,
        (State.CANARY, Event.ABORT): State.ABORTED,
        (State.AWAITING, Event.SHADOW): State.SHADOW,
        (State.AWAITING, Event.STEP): State.CANARY,
        (State.AWAITING, Event.PROMOTE): State.PROMOTED,
        (State.AWAITING, Event.FAIL): State.ROLLED_BACK,
        (State.AWAITING, Event.ABORT): State.ABORTED,
    },
)
