"""What may happen to a retraining, as a table. Pure: no ORM, clock or settings."""

from enum import StrEnum

from jobs.state_table import StateTable


class State(StrEnum):
    """Where a retraining stands."""

    DUE = "due"
    HELD = "held"  # something has to pass first: a pause, a number of labels, a person's word
    FREEZING = "freezing"
    TRAINING = "training"
    EVALUATING = "evaluating"
    PROPOSED = "proposed"  # its promotion is open
    MEASURED = "measured"  # better than the champion, and left to people by the policy
    PROMOTED = "promoted"
    REFUSED = "refused"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_open(self) -> bool:
        """Whether it still goes on."""
        return self in OPEN


AT_WORK = (State.FREEZING, State.TRAINING, State.EVALUATING)
OPEN = (State.DUE, State.HELD, *AT_WORK, State.PROPOSED)


class Event(StrEnum):
    """What moves a retraining."""

    HOLD = "be held"
    FREEZE = "freeze its rows"
    TRAIN = "be trained"
    EVALUATE = "be evaluated"
    PROPOSE = "be proposed"
    REST = "be left to people"
    PROMOTE = "be promoted"
    REFUSE = "be refused"
    STOP = "stop"
    FAIL = "fail"


RETRAINING = StateTable(
    "a retraining",
    {
        (State.DUE, Event.HOLD): State.HELD,
        (State.DUE, Event.FREEZE): State.FREEZING,
        (State.DUE, Event.STOP): State.STOPPED,
        (State.HELD, Event.HOLD): State.HELD,
        (State.HELD, Event.FREEZE): State.FREEZING,
        (State.HELD, Event.STOP): State.STOPPED,
        (State.FREEZING, Event.TRAIN): State.TRAINING,
        (State.FREEZING, Event.STOP): State.STOPPED,
        (State.FREEZING, Event.FAIL): State.FAILED,
        (State.TRAINING, Event.EVALUATE): State.EVALUATING,
        (State.TRAINING, Event.STOP): State.STOPPED,
        (State.TRAINING, Event.FAIL): State.FAILED,
        (State.EVALUATING, Event.PROPOSE): State.PROPOSED,
        (State.EVALUATING, Event.REST): State.MEASURED,
        (State.EVALUATING, Event.STOP): State.STOPPED,
        (State.EVALUATING, Event.FAIL): State.FAILED,
        (State.PROPOSED, Event.PROMOTE): State.PROMOTED,
        (State.PROPOSED, Event.REFUSE): State.REFUSED,
    },
)
