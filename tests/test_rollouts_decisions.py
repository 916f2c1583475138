"""What happens to a rollout, from what is known: the rules, one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.state_table import IllegalMoveError
from rollouts.decisions import Action, Counts, Decision, Gate, Known, Situation, decide, duration, gates_of
from rollouts.plans.freezes import Frozen, frozen
from rollouts.plans.plan import Freeze, Guardrail, Plan, PlanError, Shadow, Step, check_plan, plan_document, read_plan
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


def test_what_several_guardrails_lack_is_said_once():
    quality = Guardrail("mean", "mean", margin=0.05)
    plan = msgspec.structs.replace(PLAN, guardrails=[LATENCY, quality])
    unheard = [
        Known(guard, Outcome.NO_DATA, f"{guard.name}: no data. Nobody asked.", "Nobody asked.")
        for guard in plan.guardrails
    ]

    decision = decide(plan, replace(LAST, verdicts=unheard))

    assert decision.reason.count("latency") == decision.reason.count("Nobody asked.") == 1
    assert "latency, mean: no data. Nobody asked." in decision.reason


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


def test_conditions_of_a_step_are_told_by_name_with_what_there_is_and_what_is_asked():
    asking = Step(1000, hold_s=7200, min_requests=2000, min_callers=100, min_failures=10)
    plan = msgspec.structs.replace(PLAN, steps=[asking, PLAN.steps[1]], guardrails=[*PLAN.guardrails, ALIKE])
    verdicts = [
        Known(ERRORS, Outcome.NO_DATA, "", "No request failed or did not."),
        Known(LATENCY, Outcome.NO_DATA, ""),
        Known(ALIKE, Outcome.NO_DATA, ""),
    ]
    agreed = Gate("criterion:agreed", True, "Agreed.")
    counts = Counts(requests=1500, callers=20, failures=3)
    at = replace(FIRST, elapsed=timedelta(minutes=30), counts=counts, verdicts=verdicts, criteria=[agreed])
    requests = Gate("requests", False, "1,500 of 2,000 answers by the candidate.")
    unknown = (
        Gate("data:errors", False, "errors: no data. No request failed or did not."),
        Gate("data:latency", False, "latency: no data."),
    )

    assert gates_of(plan, at) == (
        Gate("hold", False, "Holds for 2 h, 90 min to go."),
        requests,
        Gate("exposure", False, "20 of 100 callers met the candidate, or 3 of 10 failures of both arms."),
        *unknown,
        agreed,
    )
    for asked, exposure in (
        ({"min_callers": 20}, [Gate("exposure", True, "20 of 20 callers met the candidate.")]),
        ({"min_failures": 3}, [Gate("exposure", True, "3 of 3 failures of both arms.")]),
        ({}, []),
    ):
        step = Step(1000, hold_s=1800, min_requests=2000, **asked)
        plan = msgspec.structs.replace(plan, steps=[step, step])
        held = Gate("hold", True, "Holds for 30 min.")
        assert gates_of(plan, at) == (held, requests, *exposure, *unknown, agreed)


def test_conditions_of_the_last_step_are_passes_of_what_decides():
    verdicts = [Known(ERRORS, Outcome.INCONCLUSIVE, "errors: inconclusive."), Known(LATENCY, Outcome.INCONCLUSIVE, "")]
    at = replace(LAST, verdicts=verdicts, criteria=[Gate("criterion:agreed", False, "Not agreed.")])

    assert gates_of(PLAN, at)[2:] == (Gate("pass:latency", False, "latency has to pass."), *at.criteria)
    assert gates_of(PLAN, replace(at, verdicts=known("pass")))[2] == Gate("pass:latency", True, "latency: pass.")


def test_conditions_of_a_shadow_are_pairs_and_what_it_alone_can_know():
    verdicts = [*known("no_data", "no_data"), Known(ALIKE, Outcome.NO_DATA, "")]
    criteria = [Gate("criterion:agreed", True, "Agreed.")]
    at = replace(
        FIRST, state=State.SHADOW, is_shadow=True, verdicts=verdicts, criteria=criteria, counts=Counts(requests=99)
    )

    assert gates_of(SHADOWED, at) == (
        Gate("hold", True, "Holds for 60 s."),
        Gate("pairs", False, "99 of 100 pairs of answers."),
        Gate("data:decisions", False, "decisions: no data."),
        Gate("pass:decisions", False, "decisions has to pass."),
        *criteria,
    )


FROZEN = Freeze("Stock-taking", starts_at="2026-11-25T10:00Z", ends_at="2026-11-25T13:30+01:00")
PEOPLE = msgspec.structs.replace(
    SHADOWED, promote_gate=True, steps=[msgspec.structs.replace(step, gate=True) for step in PLAN.steps]
)
SHADOW = replace(FIRST, state=State.SHADOW, is_shadow=True, verdicts=known("no_data", "no_data", "pass"))
QUIET_NOW = Counts(quiet=timedelta(seconds=60))


@pytest.mark.parametrize(
    ("plan", "situation", "answer"),
    [
        (PLAN, replace(PENDING, paused=True, obstacle="Not loaded."), Decision(Action.HOLD, "Paused.")),
        (PLAN, replace(PENDING, obstacle="Not loaded."), Decision(Action.HOLD, "Not loaded.")),
        (PLAN, PENDING, Decision(Action.STEP, "Gateways have loaded the candidate.")),
        (
            PEOPLE,
            SHADOW,
            Decision(
                Action.ASK,
                "The shadow phase is complete, and no guardrail fails. The plan has a person let step 1 begin.",
                ask=Ask.STEP,
            ),
        ),
        (
            SHADOWED,
            PENDING,
            Decision(Action.SHADOW, "Gateways have loaded the candidate; it is asked beside the champion."),
        ),
        (SHADOWED, SHADOW, Decision(Action.STEP, "The shadow phase is complete, and no guardrail fails.")),
        (PLAN, replace(FIRST, verdicts=known()), Decision(Action.STEP, "Step 1 is complete, and no guardrail fails.", 1)),
        (
            PEOPLE,
            replace(FIRST, verdicts=known()),
            Decision(
                Action.ASK,
                "Step 1 is complete, and no guardrail fails. The plan has a person let step 2 begin.",
                1,
                Ask.STEP,
            ),
        ),
        (
            PLAN,
            replace(LAST, verdicts=known("pass")),
            Decision(Action.PROMOTE, "Every guardrail that decides has passed."),
        ),
        (
            PEOPLE,
            replace(LAST, verdicts=known("pass")),
            Decision(
                Action.ASK,
                "Every guardrail that decides has passed. The plan has a person take the last step.",
                ask=Ask.PROMOTE,
            ),
        ),
        (
            PLAN,
            replace(FIRST, counts=QUIET_NOW, elapsed=timedelta(seconds=59), verdicts=known()),
            Decision(Action.HOLD, "Holds for 60 s, 1 s to go. 0 of 100 answers by the candidate.", silent=True),
        ),
        (
            PLAN,
            replace(FIRST, counts=QUIET_NOW, deadline=NOON),
            Decision(
                Action.ASK,
                "The time of the plan is over. 0 of 100 answers by the candidate.",
                ask=Ask.DEADLINE,
                silent=True,
            ),
        ),
        (
            PLAN,
            replace(FIRST, state=State.AWAITING, counts=QUIET_NOW),
            Decision(Action.HOLD, "A person decides; a fail still goes back.", silent=True),
        ),
        (
            PLAN,
            replace(FIRST, paused=True, counts=QUIET_NOW),
            Decision(Action.HOLD, "Paused. A fail still goes back."),
        ),
        (
            msgspec.structs.replace(PLAN, freezes=[FROZEN]),
            FIRST,
            Decision(Action.HOLD, "Frozen until 25 Nov 2026 13:30 UTC+01:00: Stock-taking"),
        ),
        (
            msgspec.structs.replace(PLAN, freezes=[FROZEN]),
            PENDING,
            Decision(Action.HOLD, "Frozen until 25 Nov 2026 13:30 UTC+01:00: Stock-taking"),
        ),
    ],
)  # fmt: skip
def test_answer_is_told_whole_with_its_conditions(plan, situation, answer):
    pending = situation.state is State.PENDING

    assert decide(plan, situation) == replace(answer, gates=() if pending else gates_of(plan, situation))


def test_all_that_fails_is_told():
    decision = decide(PLAN, replace(FIRST, verdicts=known("fail", "fail")))

    assert decision == Decision(Action.ROLL_BACK, "errors: fail. latency: fail.")


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
    assert frozen([once], datetime(2026, 12, 24, 16, 59, 59, tzinfo=UTC)) is None


def test_of_several_freezes_the_one_that_ends_last_is_told():
    short, long = (
        Freeze(reason, starts_at="2026-11-25T00:00Z", ends_at=f"2026-11-{day}T00:00Z")
        for reason, day in (("short", 26), ("long", 28))
    )

    for freezes in ([short, long], [long, short]):
        assert frozen(freezes, NOON) == Frozen("long", datetime(2026, 11, 28, tzinfo=UTC))


def test_weekly_freeze_counts_days_where_it_holds():
    saturday = Freeze("Weekend", days=[5], from_time="08:00", to_time="08:00", time_zone="Pacific/Auckland")
    begins = datetime.fromisoformat("2026-11-28T08:00+13:00")  # a Friday in Greenwich

    assert [frozen([saturday], begins + timedelta(hours=h)) is not None for h in (-1, 0, 23, 24)] == [
        False,
        True,
        True,
        False,
    ]


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
    [
        (-1, "0 s"), (0, "0 s"), (1.4, "1 s"), (119, "119 s"), (120, "2 min"), (5400, "90 min"), (7199, "120 min"), (7200, "2 h"),
        (172_799, "48 h"), (172_800, "2 d"), (200_000, "2.31 d"),
    ],
)  # fmt: skip
def test_spans_are_told_in_the_unit_people_would_take(seconds, words):
    assert duration(timedelta(seconds=seconds)) == words
