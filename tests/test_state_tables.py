"""Who may do what, and when: the state tables, told by what may happen in each state. No database."""

from datetime import date, timedelta

import pytest

from jobs import states as jobs
from jobs.state_table import IllegalMoveError, StateTable
from monitoring.retraining import states as retrainings
from registry import states as registry
from registry.states import PromotionState, RevalidationState, revalidation_state
from rollouts import states as rollouts

# What may happen in each state; what is not named here is over.
LIVES = [
    (
        jobs.JOB,
        {
            "queued": {"CLAIM", "CANCEL"},
            "running": {"FINISH", "TRY_AGAIN", "GIVE_UP", "CANCEL"},
            "failed": {"RETRY"},
            "cancelled": {"RETRY"},
        },
    ),
    (
        registry.PROMOTION,
        {
            "requested": {"QUORUM_REACHED", "REJECT", "WITHDRAW"},
            "approved": {"ROLL_OUT", "WITHDRAW"},  # once customers are served, it is rolled back instead
            "rolling_out": {"COMPLETE", "ROLL_BACK"},
            "completed": {"ROLL_BACK"},
        },
    ),
    (registry.WAIVER, {"asked": {"GRANT", "DECLINE", "WITHDRAW"}, "granted": {"REVOKE"}}),
    (registry.RETIREMENT, {"requested": {"APPROVE", "REJECT", "WITHDRAW"}}),
    (
        rollouts.ROLLOUT,
        {
            "pending": {"SHADOW", "STEP", "ASK", "FAIL", "ABORT"},  # nothing is promoted that was not served
            "shadow": {"STEP", "ASK", "FAIL", "ABORT"},
            "canary": {"STEP", "ASK", "PROMOTE", "FAIL", "ABORT"},
            "awaiting": {"SHADOW", "STEP", "PROMOTE", "FAIL", "ABORT"},
        },
    ),
    (
        retrainings.RETRAINING,
        {
            "due": {"HOLD", "FREEZE", "STOP"},
            "held": {"HOLD", "FREEZE", "STOP"},
            "freezing": {"TRAIN", "STOP", "FAIL"},
            "training": {"EVALUATE", "STOP", "FAIL"},
            "evaluating": {"PROPOSE", "REST", "STOP", "FAIL"},
            "proposed": {"PROMOTE", "REFUSE"},  # by whoever decides on its promotion
        },
    ),
]
# Where an event leads, whenever it happens.
LEADS = {
    "a job": {"CLAIM": "running", "FINISH": "succeeded", "GIVE_UP": "failed", "TRY_AGAIN": "queued", "CANCEL": "cancelled", "RETRY": "queued"},
    "a promotion": {
        "QUORUM_REACHED": "approved", "REJECT": "rejected", "WITHDRAW": "withdrawn", "ROLL_OUT": "rolling_out", "COMPLETE": "completed",
        "ROLL_BACK": "rolled_back",
    },
    "a waiver": {"GRANT": "granted", "DECLINE": "declined", "WITHDRAW": "withdrawn", "REVOKE": "revoked"},
    "a retirement": {"APPROVE": "approved", "REJECT": "rejected", "WITHDRAW": "withdrawn"},
    "a rollout": {
        "SHADOW": "shadow", "STEP": "canary", "ASK": "awaiting", "PROMOTE": "promoted", "FAIL": "rolled_back", "ABORT": "aborted",
    },
    "a retraining": {
        "HOLD": "held", "FREEZE": "freezing", "TRAIN": "training", "EVALUATE": "evaluating", "PROPOSE": "proposed", "REST": "measured",
        "PROMOTE": "promoted", "REFUSE": "refused", "STOP": "stopped", "FAIL": "failed",
    },
}  # fmt: skip


@pytest.mark.parametrize(("table", "life"), LIVES, ids=[table.thing for table, _ in LIVES])
def test_each_state_knows_what_may_happen_in_it(table, life):
    allowed = {}
    for state, event in table:
        allowed.setdefault(state.value, set()).add(event.name)

    assert allowed == life


@pytest.mark.parametrize("table", [table for table, _ in LIVES], ids=lambda table: table.thing)
def test_an_event_leads_to_the_same_state_whenever_it_happens(table):
    led = {(event.name, to.value) for (_, event), to in table.items()}

    assert led == set(LEADS[table.thing].items())


def test_a_refusal_says_what_cannot_happen_and_why():
    table = StateTable("a promotion", registry.PROMOTION)

    assert table.after("rolling_out", registry.PromotionEvent.COMPLETE) is PromotionState.COMPLETED
    with pytest.raises(IllegalMoveError, match=r"^A promotion that is rolling out cannot be withdrawn\.$"):
        table.after("rolling_out", registry.PromotionEvent.WITHDRAW)
    with pytest.raises(IllegalMoveError, match=r"^A rollout that is rolled back cannot begin a step\.$"):
        rollouts.ROLLOUT.after("rolled_back", rollouts.Event.STEP)


def test_what_is_open_is_what_still_moves_by_itself():
    assert {state for state in PromotionState if state.is_open} == {state for state, _ in registry.PROMOTION} - {
        PromotionState.COMPLETED  # is over, and may be rolled back
    }
    assert {state for state in rollouts.State if state.is_open} == {state for state, _ in rollouts.ROLLOUT}
    assert {state for state in retrainings.State if state.is_open} == {state for state, _ in retrainings.RETRAINING}


@pytest.mark.parametrize(
    ("days", "stands"),
    [
        (None, RevalidationState.NOT_SET), (-1, RevalidationState.OVERDUE), (0, RevalidationState.DUE), (30, RevalidationState.DUE),
        (31, RevalidationState.CURRENT),
    ],
)  # fmt: skip
def test_a_revalidation_is_due_for_thirty_days_and_in_time_on_its_date(days, stands):
    today = date(2026, 11, 25)

    assert revalidation_state(None if days is None else today + timedelta(days=days), today) is stands


@pytest.mark.parametrize(
    ("attempt", "jitter", "asked_s", "waits_s"),
    [
        (1, 0.5, 0, 10),  # as said
        (1, 0.0, 0, 8),  # a fifth sooner
        (1, 0.75, 0, 11),
        (2, 0.5, 0, 40),  # four times longer
        (3, 0.5, 0, 160),
        (1, 0.5, 60, 60),  # as the receiver asked
        (2, 0.5, 30, 40),  # it asked for less
        (1, 0.5, 10**6, 6 * 3600),  # it asked for too much
        (99, 0.5, 0, 6 * 3600),
    ],
)
def test_a_message_waits_four_times_longer_each_time_and_as_long_as_its_receiver_asks(
    attempt, jitter, asked_s, waits_s
):
    assert jobs.pause_s(attempt, first_s=10, jitter=jitter, asked_s=asked_s) == pytest.approx(waits_s)


def test_a_receiver_that_asks_for_nothing_is_waited_for_no_longer():
    assert jobs.pause_s(1, first_s=0.5, jitter=0.5) == pytest.approx(0.5)
