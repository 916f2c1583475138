"""State tables of the registry: what may happen to a promotion, and when. Pure: no ORM, clock or settings."""

from enum import StrEnum


class IllegalTransitionError(ValueError):
    """The event is not allowed in the present state."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"a promotion that is {state} cannot {event}")


class PromotionState(StrEnum):
    """Where a promotion stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    ROLLING_OUT = "rolling_out"
    COMPLETED = "completed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    ROLLED_BACK = "rolled_back"

    @property
    def is_open(self) -> bool:
        """Whether a decision or a rollout is still to come."""
        return self in (PromotionState.REQUESTED, PromotionState.APPROVED, PromotionState.ROLLING_OUT)


class PromotionEvent(StrEnum):
    """What moves a promotion."""

    QUORUM_REACHED = "be approved"
    REJECT = "be rejected"
    WITHDRAW = "be withdrawn"
    ROLL_OUT = "start rolling out"
    COMPLETE = "complete"
    ROLL_BACK = "be rolled back"


PROMOTION = {
    (PromotionState.REQUESTED, PromotionEvent.QUORUM_REACHED): PromotionState.APPROVED,
    (PromotionState.REQUESTED, PromotionEvent.REJECT): PromotionState.REJECTED,
    (PromotionState.REQUESTED, PromotionEvent.WITHDRAW): PromotionState.WITHDRAWN,
    (PromotionState.APPROVED, PromotionEvent.WITHDRAW): PromotionState.WITHDRAWN,
    (PromotionState.APPROVED, PromotionEvent.ROLL_OUT): PromotionState.ROLLING_OUT,
    (PromotionState.ROLLING_OUT, PromotionEvent.COMPLETE): PromotionState.COMPLETED,
    (PromotionState.ROLLING_OUT, PromotionEvent.ROLL_BACK): PromotionState.ROLLED_BACK,
    (PromotionState.COMPLETED, PromotionEvent.ROLL_BACK): PromotionState.ROLLED_BACK,
}


def next_state(state: PromotionState, event: PromotionEvent) -> PromotionState:
    """Return the state that ``event`` leads to.

    Raises:
        IllegalTransitionError: the table has no such move.
    """
    try:
        return PROMOTION[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None
