"""A small run of the races that `make faults` measures (F7)."""

import pytest

from benchmarks.races import make_people, race_approvals, race_switches

pytestmark = pytest.mark.django_db(transaction=True)


def test_races_double_no_approval_and_show_every_reader_one_champion():
    people = make_people("races")

    approvals = race_approvals(people, promotions=3, racers=6)
    switches = race_switches(people, switches=20, writers=2, readers=2)

    assert (approvals.attempts, approvals.recorded, approvals.completed) == (18, 6, 3)
    assert (approvals.doubled, approvals.moved_twice) == (0, 0)
    assert switches.switches >= 20
    assert switches.reads > 0
    assert (switches.other_than_one, switches.history_disagrees) == (0, 0)
