"""State tables of the registry: what may happen to a promotion, and when. Pure: no ORM, clock or settings."""

from datetime import date, timedelta
from enum import StrEnum

from jobs.state_table import StateTable


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


PROMOTION = StateTable(
    "a promotion",
    {
        (PromotionState.REQUESTED, PromotionEvent.QUORUM_REACHED): PromotionState.APPROVED,
        (PromotionState.REQUESTED, PromotionEvent.REJECT): PromotionState.REJECTED,
        (PromotionState.REQUESTED, PromotionEvent.WITHDRAW): PromotionState.WITHDRAWN,
        (PromotionState.APPROVED, PromotionEvent.WITHDRAW): PromotionState.WITHDRAWN,
        (PromotionState.APPROVED, PromotionEvent.ROLL_OUT): PromotionState.ROLLING_OUT,
        (PromotionState.ROLLING_OUT, PromotionEvent.COMPLETE): PromotionState.COMPLETED,
        (PromotionState.ROLLING_OUT, PromotionEvent.ROLL_BACK): PromotionState.ROLLED_BACK,
        (PromotionState.COMPLETED, PromotionEvent.ROLL_BACK): PromotionState.ROLLED_BACK,
    },
)


class WaiverState(StrEnum):
    """Where a waiver stands; one that has expired is still granted, and counts no longer."""

    ASKED = "asked"
    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"


class WaiverEvent(StrEnum):
    """What moves a waiver."""

    GRANT = "be granted"
    DECLINE = "be declined"
    WITHDRAW = "be withdrawn"
    REVOKE = "be revoked"


WAIVER = StateTable(
    "a waiver",
    {
        (WaiverState.ASKED, WaiverEvent.GRANT): WaiverState.GRANTED,
        (WaiverState.ASKED, WaiverEvent.DECLINE): WaiverState.DECLINED,
        (WaiverState.ASKED, WaiverEvent.WITHDRAW): WaiverState.WITHDRAWN,
        (WaiverState.GRANTED, WaiverEvent.REVOKE): WaiverState.REVOKED,
    },
)


class RetirementState(StrEnum):
    """Where a retirement stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class RetirementEvent(StrEnum):
    """What moves a retirement."""

    APPROVE = "be approved"
    REJECT = "be rejected"
    WITHDRAW = "be withdrawn"


RETIREMENT = StateTable(
    "a retirement",
    {
        (RetirementState.REQUESTED, RetirementEvent.APPROVE): RetirementState.APPROVED,
        (RetirementState.REQUESTED, RetirementEvent.REJECT): RetirementState.REJECTED,
        (RetirementState.REQUESTED, RetirementEvent.WITHDRAW): RetirementState.WITHDRAWN,
    },
)


class RevalidationState(StrEnum):
    """Where a model's re-validation stands."""

    NOT_SET = "not set"
    CURRENT = "current"
    DUE = "due"
    OVERDUE = "overdue"


DUE_WITHIN = timedelta(days=30)
GRACE = timedelta(days=14)  # after a material change


def revalidation_state(due: date | None, today: date) -> RevalidationState:
    """Return where a re-validation stands; on its date it is still in time."""
    if due is None:
        return RevalidationState.NOT_SET
    if due < today:
        return RevalidationState.OVERDUE
    return RevalidationState.DUE if due - today <= DUE_WITHIN else RevalidationState.CURRENT
