"""The state table of a job, and what follows an attempt that failed."""

import itertools

import pytest

from jobs.state_table import IllegalMoveError
from jobs.states import JOB, Event, State, backoff_s, event_after


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_only_the_table_moves_a_job(state, event):
    if (state, event) in JOB:
        assert JOB.after(state.value, event) is JOB[state, event]
    else:
        with pytest.raises(IllegalMoveError, match=f"A job that is {state} cannot {event}"):
            JOB.after(state, event)


def test_success_is_for_ever():
    assert not [event for state, event in JOB if state is State.SUCCEEDED]


@pytest.mark.parametrize("state", State)
def test_final_states_are_left_by_a_person_alone(state):
    by_itself = {event for at, event in JOB if at is state} - {Event.RETRY}

    assert state.is_final == (not by_itself)


@pytest.mark.parametrize(
    ("cancel_requested", "attempt", "event"),
    [
        (False, 1, Event.TRY_AGAIN),
        (False, 2, Event.TRY_AGAIN),
        (False, 3, Event.GIVE_UP),
        (True, 1, Event.CANCEL),
        (True, 3, Event.CANCEL),
    ],
)
def test_attempts_are_bounded_and_a_wish_to_cancel_wins(cancel_requested, attempt, event):
    assert event_after(cancel_requested=cancel_requested, attempt=attempt, max_attempts=3) is event


def test_backoff_doubles_up_to_five_minutes():
    assert [backoff_s(n, first_s=5) for n in (1, 2, 3, 7, 10_000)] == [5, 10, 20, 300, 300]
