"""What happens to a rollout, from what is known: the rules, one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.state_table import IllegalMoveError
from rollouts.decisions import Action, Counts, Known, Situation, decide, duration
from rollouts.freezes import frozen
from rollouts.plan import Freeze, Guardrail, Plan, PlanError, Shadow, Step, check_plan, plan_document, read_plan
from rollouts.states import ROLLOUT, Ask, Event, State
from rollouts.verdicts import Outcome

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
LATENCY = Guardrail("latency", "slow", threshold_ms=50)
ERRORS = Guardrail("errors", "errors", decides=False)
ALIKE = Guardrail("decisions", "agreement", margin=0.98)
PLAN = Plan(
    steps=[Step(1000, hold_s=60, min_requests=100), Step(5000, hold_s=60, min_requests=100)],
    guardrails=[ERRORS, LATENCY],
)
SHADOWED = msgspec.structs.replace(
    PLAN, shadow=Shadow(duration_s=60, min_pairs=100), guardrails=[*PLAN.guardrails, ALIKE]
)
ENOUGH = Counts(requests=100, callers=50, failures=20)
FIRST = Situation(
    State.CANARY, 0, NOON, elapsed=timedelta(seconds=60), counts=ENOUGH, deadline=NOON + timedelta(hours=1)
)
LAST = replace(FIRST, step=1)
PENDING = Situation(State.PENDING, 0, NOON)


def known(latency="inconclusive", errors="inconclusive", decisions=None):
    found = [
        Known(ERRORS, Outcome(errors), f"errors: {errors}."),
        Known(LATENCY, Outcome(latency), f"latency: {latency}."),
    ]
    return [*found, Known(ALIKE, Outcome(decisions), f"decisions: {decisions}.")] if decisions else found


@pytest.mark.parametrize(
    ("situation", "verdicts", "action", "words"),
    [
        (PENDING, [], Action.STEP, "have loaded"),
        (replace(PENDING, obstacle="1 of 2 gateway processes have not loaded v2 yet."), [], Action.HOLD, "1 of 2"),
        (replace(PENDING, paused=True), [], Action.HOLD, "Paused"),
        (replace(PENDING, broken="v2 cannot be served."), [], Action.ROLL_BACK, "cannot be served"),
        (FIRST, known(), Action.STEP, "Step 1 is complete"),
        (FIRST, known("fail"), Action.ROLL_BACK, "latency: fail."),
        (FIRST, known(errors="fail"), Action.ROLL_BACK, "errors: fail."),
        (FIRST, known("pass", "fail"), Action.ROLL_BACK, "errors: fail."),
        (FIRST, known("no_data"), Action.HOLD, "latency: no data"),
        (replace(FIRST, elapsed=timedelta(seconds=59)), known("pass"), Action.HOLD, "1 s to go"),
        (replace(FIRST, counts=replace(ENOUGH, requests=99)), known("pass"), Action.HOLD, "99 of 100"),
        (replace(FIRST, paused=True), known("pass"), Action.HOLD, "Paused"),
        (replace(FIRST, paused=True), known("fail"), Action.ROLL_BACK, "latency: fail."),
        (replace(FIRST, state=State.AWAITING), known("pass"), Action.HOLD, "A person decides"),
        (replace(FIRST, state=State.AWAITING), known("fail"), Action.ROLL_BACK, "latency: fail."),
        (LAST, known("pass"), Action.PROMOTE, "has passed"),
        (LAST, known(), Action.HOLD, "latency: inconclusive."),
        (LAST, known("no_data", "pass"), Action.HOLD, "no data"),
        (replace(LAST, deadline=NOON), known(), Action.ASK, "latency: inconclusive."),
        (replace(LAST, deadline=NOON), known("pass"), Action.PROMOTE, "has passed"),
        (
            replace(FIRST, deadline=NOON, counts=Counts(quiet=timedelta(hours=1))),
            known("no_data"),
            Action.ASK,
            "0 of 100",
        ),
        (replace(LAST, deadline=NOON, paused=True), known(), Action.HOLD, "Paused"),
    ],
)
def test_each_situation_has_its_answer(situation, verdicts, action, words):
    decision = decide(PLAN, replace(situation, verdicts=verdicts))

    assert decision.action is action
    assert words in decision.reason


def test_silence_is_told_and_never_moves_anything():
    quiet = replace(FIRST, counts=Counts(quiet=timedelta(minutes=1)), verdicts=known("no_data", "no_data"))

    decision = decide(PLAN, quiet)

    assert (decision.action, decision.silent) == (Action.HOLD, True)
    assert not decide(PLAN, replace(quiet, counts=Counts(quiet=timedelta(seconds=59)))).silent
    assert not decide(PLAN, replace(PENDING, counts=Counts(quiet=timedelta(hours=1)))).silent


def test_shadow_ends_with_the_pass_that_it_alone_can_give():
    shadow = replace(FIRST, state=State.SHADOW, is_shadow=True)

    def answer(**outcomes):
        return decide(SHADOWED, replace(shadow, verdicts=known("no_data", "no_data", **outcomes)))

    assert decide(SHADOWED, PENDING).action is Action.SHADOW
    assert answer(decisions="pass").action is Action.STEP
    assert (answer(decisions="inconclusive").action, answer(decisions="no_data").action) == (Action.HOLD, Action.HOLD)
    assert answer(decisions="fail").action is Action.ROLL_BACK


def test_labels_that_come_late_hold_the_last_step_alone():
    quality = Guardrail("quality", "quality", margin=0.05, loss="log_loss", maturity_s=3600)
    plan = msgspec.structs.replace(PLAN, guardrails=[LATENCY, quality])
    verdicts = [Known(LATENCY, Outcome.PASS, "latency: pass."), Known(quality, Outcome.NO_DATA, "quality: no data.")]

    assert decide(plan, replace(FIRST, verdicts=verdicts)).action is Action.STEP
    assert decide(plan, replace(LAST, verdicts=verdicts)).action is Action.HOLD


def test_callers_or_failures_are_enough_where_the_plan_asks_for_either():
    step = Step(1000, hold_s=0, min_requests=1, min_callers=100, min_failures=10)
    plan = msgspec.structs.replace(PLAN, steps=[step, PLAN.steps[1]])

    def answer(callers, failures):
        counts = Counts(requests=100, callers=callers, failures=failures)
        return decide(plan, replace(FIRST, counts=counts, verdicts=known())).action

    assert (answer(100, 0), answer(0, 10), answer(99, 9)) == (Action.STEP, Action.STEP, Action.HOLD)


def test_gates_ask_before_a_step_and_before_the_last():
    gated = msgspec.structs.replace(PLAN.steps[1], gate=True)
    plan = msgspec.structs.replace(PLAN, steps=[PLAN.steps[0], gated], promote_gate=True)

    before_step, before_end = (decide(plan, replace(at, verdicts=known("pass"))) for at in (FIRST, LAST))

    assert (before_step.action, before_step.ask, before_step.step) == (Action.ASK, Ask.STEP, 1)
    assert (before_end.action, before_end.ask) == (Action.ASK, Ask.PROMOTE)


FREEZE = Freeze("Black Friday", days=[2, 3], from_time="10:00", to_time="02:00", time_zone="Europe/Berlin")


def test_freeze_holds_what_would_advance_and_never_a_fail():
    plan = msgspec.structs.replace(PLAN, freezes=[FREEZE])

    late = replace(LAST, deadline=NOON)
    for situation, verdicts in ((PENDING, []), (FIRST, known()), (LAST, known("pass")), (late, known("pass"))):
        decision = decide(plan, replace(situation, verdicts=verdicts))
        assert (decision.action, "Black Friday" in decision.reason) == (Action.HOLD, True)
    assert decide(plan, replace(FIRST, verdicts=known("fail"))).action is Action.ROLL_BACK


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-25T08:59Z", None),
        ("2026-11-25T09:00Z", "2026-11-26T01:00Z"),
        ("2026-11-27T00:59Z", "2026-11-27T01:00Z"),
        ("2026-11-27T01:00Z", None),
        ("2026-11-28T12:00Z", None),
    ],
)
def test_weekly_freeze_holds_over_midnight_in_its_time_zone(at, until):
    held = frozen([FREEZE], datetime.fromisoformat(at))

    assert (held.until if held else None) == (until and datetime.fromisoformat(until))


def test_freeze_of_once_ends_at_its_instant():
    once = Freeze("Year's end", starts_at="2026-12-24T18:00+01:00", ends_at="2027-01-02T06:00+01:00")

    assert frozen([once], datetime(2026, 12, 24, 17, tzinfo=UTC)).reason == "Year's end"
    assert frozen([once], datetime(2027, 1, 2, 5, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": "x"}, "alpha"),
        ({"steps": []}, "steps"),
        ({"steps": [{"weight_bp": 10_000}]}, "steps[0].weight_bp"),
        ({"steps": [{"weight_bp": 500}, {"weight_bp": 500}]}, "steps[1].weight_bp"),
        ({"steps": [{"weight_bp": 500, "hold_s": -1}]}, "steps[0].hold_s"),
        ({"steps": [{"weight_bp": 500, "min_requests": 0}]}, "steps[0].min_requests"),
        ({"steps": [{"weight_bp": 500, "wait": 3}]}, "steps[0]"),
        ({"guardrails": []}, "guardrails"),
        ({"guardrails": [{"name": "errors", "kind": "errors", "decides": False}]}, "guardrails"),
        ({"guardrails": [{"name": "a", "kind": "errors"}, {"name": "a", "kind": "slow"}]}, "guardrails[1].name"),
        ({"guardrails": [{"name": "a", "kind": "errors", "margin": 1}]}, "guardrails[0].margin"),
        ({"guardrails": [{"name": "a", "kind": "errors", "threshold_ms": 5}]}, "guardrails[0].threshold_ms"),
        ({"guardrails": [{"name": "a", "kind": "output"}]}, "guardrails[0].above"),
        ({"guardrails": [{"name": "a", "kind": "agreement", "margin": 0.9}]}, "guardrails[0].kind"),
        ({"guardrails": [{"name": "a", "kind": "agreement"}], "shadow": {}}, "guardrails[0].margin"),
        ({"guardrails": [{"name": "a", "kind": "quality", "margin": 0.1}]}, "guardrails[0].loss"),
        ({"guardrails": [{"name": "a", "kind": "quality", "margin": 0.1, "loss": "correct"}]}, "guardrails[0].maturity_s"),
        ({"guardrails": [{"name": "a", "kind": "mean", "margin": float("nan")}]}, "guardrails[0].margin"),
        ({"guardrails": [{"name": "a", "kind": "slow", "alpha_share": 0}]}, "guardrails[0].alpha_share"),
        ({"shadow": {"share_bp": 0}}, "shadow.share_bp"),
        ({"shadow": {"min_pairs": 0}}, "shadow.min_pairs"),
        ({"max_duration_s": 119}, "max_duration_s"),
        ({"key_column": " carrier"}, "key_column"),
        ({"freezes": [{"reason": "x"}]}, "freezes[0]"),
        ({"freezes": [{"reason": "", "days": [1]}]}, "freezes[0].reason"),
        ({"freezes": [{"reason": "x", "starts_at": "2026-01-01T00:00", "ends_at": "2026-01-02T00:00"}]}, "freezes[0].starts_at"),
        ({"freezes": [{"reason": "x", "starts_at": "2026-01-02T00:00Z", "ends_at": "2026-01-01T00:00Z"}]}, "freezes[0].ends_at"),
        ({"freezes": [{"reason": "x", "days": [7], "from_time": "10:00", "to_time": "11:00"}]}, "freezes[0].days"),
        ({"freezes": [{"reason": "x", "days": [1], "from_time": "25:00", "to_time": "11:00"}]}, "freezes[0].from_time"),
        ({"freezes": [{"reason": "x", "days": [1], "from_time": "10:00", "to_time": "11:00", "time_zone": "Mars"}]}, "freezes[0].time_zone"),
    ],
)  # fmt: skip
def test_contradiction_in_a_plan_names_its_field(change, field):
    with pytest.raises(PlanError) as refused:
        read_plan(plan_document(PLAN) | change)

    assert refused.value.field == field


def test_plan_survives_being_kept():
    check_plan(SHADOWED)

    assert read_plan(plan_document(SHADOWED)) == SHADOWED


def test_table_of_states_lets_nothing_out_of_an_end():
    for state in State:
        allowed = {event for event in Event if (state, event) in ROLLOUT}
        assert bool(allowed) == state.is_open
        for event in set(Event) - allowed:
            with pytest.raises(IllegalMoveError, match=str(event)):
                ROLLOUT.after(state, event)


@given(st.lists(st.sampled_from(list(Event)), max_size=12))
def test_every_walk_ends_or_can_still_go_back(events):
    state = State.PENDING
    for event in events:
        if (state, event) in ROLLOUT:
            state = ROLLOUT.after(state, event)
            assert state is not State.PENDING
    if state.is_open:
        assert ROLLOUT.after(state, Event.FAIL) is State.ROLLED_BACK
        assert ROLLOUT.after(state, Event.ABORT) is State.ABORTED


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (5400, "90 min"), (7200, "2 h"), (200_000, "2.31 d")],
)
def test_spans_are_told_in_the_unit_people_would_take(seconds, words):
    assert duration(timedelta(seconds=seconds)) == words
