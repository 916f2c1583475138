"""Plans against recorded traffic: the same decisions by the same arithmetic."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.selectors import RecordedWindow
from rollouts.judging import Sums
from rollouts.plans.dry_run import ArmSpan, Span, replay_arms, replay_parted
from rollouts.plans.expected import Recorded, expectations
from rollouts.plans.plan import Guardrail, Plan, Shadow, Step

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PLAN = Plan(
    steps=[Step(500, hold_s=1800, min_requests=500), Step(5000, hold_s=3600, min_requests=5000)],
    guardrails=[Guardrail("errors", "errors")],
)  # fmt: skip


def hours(count, *, rate=0.02, per_minute=600):
    return [Span(NOON + timedelta(minutes=i), per_minute, {"errors": per_minute * rate}) for i in range(60 * count)]


def test_a_candidate_as_good_as_the_champion_reaches_all_of_the_traffic():
    done = replay_parted(PLAN, hours(8))

    assert done.outcome == "promoted"
    assert [move.weight_bp for move in done.moves] == [500, 5000]
    assert done.moves[1].at - done.moves[0].at >= timedelta(seconds=1800)
    assert done.at - done.moves[1].at >= timedelta(seconds=3600)
    assert [verdict.outcome for verdict in done.verdicts] == ["pass"]


def test_a_candidate_that_fails_more_often_goes_back_and_says_for_what():
    done = replay_parted(PLAN, hours(8), ratio=4.0)

    assert done.outcome == "rolled_back"
    assert "errors: worse" in done.reason
    assert done.at < NOON + timedelta(hours=2)


def test_the_same_seed_tells_the_same_story():
    assert replay_parted(PLAN, hours(2), seed=7) == replay_parted(PLAN, hours(2), seed=7)


def test_the_recording_may_end_before_anything_is_decided():
    done = replay_parted(PLAN, hours(1))

    assert done.outcome == "open"
    assert "at 50%" in done.reason


def test_the_plans_time_may_be_over_first():
    short = Plan(steps=[Step(500, hold_s=60, min_requests=10_000_000)], guardrails=PLAN.guardrails, max_duration_s=3600)

    done = replay_parted(short, hours(3))

    assert (done.outcome, done.at) == ("awaiting", NOON + timedelta(hours=1))


@pytest.mark.parametrize(("bound", "above"), [(0.0, 40.0), (0.5, 30.0), (0.525, 25.0), (0.95, 10.0), (1.0, 0.0)])
def test_scores_beyond_a_bound_are_counted_from_their_bins(bound, above):
    window = RecordedWindow(NOON, 1, "champion", 10_000, 40, 0, 0, (), (10, *[0] * 9, 10, *[0] * 7, 10, 10))

    assert window.scored(above=bound) == pytest.approx(above)
    assert window.scored(below=bound) == pytest.approx(40 - above)


def test_what_telemetry_does_not_tell_is_taken_as_passed_and_said():
    plan = Plan(
        steps=PLAN.steps, guardrails=[*PLAN.guardrails, Guardrail("agreement", "agreement", margin=0.97)],
        shadow=Shadow(duration_s=600, min_pairs=100),
    )  # fmt: skip

    done = replay_parted(plan, hours(8))

    assert done.unknown == ["agreement"]
    assert done.outcome == "promoted"
    assert [move.weight_bp for move in done.moves] == [0, 500, 5000]


def test_no_traffic_no_story():
    assert replay_parted(PLAN, []) is None
    assert replay_parted(PLAN, [Span(NOON, 0, {})]) is None


def test_a_past_rollout_is_replayed_with_the_arms_that_it_had():
    spans = [
        ArmSpan(NOON + timedelta(minutes=i), 300, {"errors": {5000: (Sums(300, 3, 3), Sums(300, 15, 15))}})
        for i in range(60)
    ]

    done = replay_arms(PLAN, spans)

    assert done.outcome == "rolled_back"
    assert done.verdicts[0].canary == pytest.approx(0.05)


def test_a_pass_takes_more_requests_the_rarer_the_event_and_the_smaller_the_weight():
    found = {row.base_rate: row for row in expectations(PLAN, Recorded(10.0, {}))}

    assert list(found) == [0.001, 0.01, 0.05]
    for rarer, commoner in ((0.001, 0.01), (0.01, 0.05)):
        for a, b in zip(found[rarer].cells, found[commoner].cells, strict=True):
            assert a.requests > b.requests
    assert found[0.01].cells[0].requests > found[0.01].cells[1].requests
    assert found[0.01].cells[1].seconds == found[0.01].cells[1].requests / 10


def test_a_pass_that_the_traffic_cannot_give_in_time_is_marked():
    (slow,) = expectations(PLAN, Recorded(0.001, {"errors": 0.01}))
    (quick,) = expectations(PLAN, Recorded(100.0, {"errors": 0.01}))

    assert slow.measured
    assert slow.unrealistic
    assert not quick.unrealistic
