"""From sums by weight to the verdict of a guardrail."""

from rollouts.judging import Counted, Sums, judge
from rollouts.plan_parts import Guardrail, Plan, Step
from rollouts.verdicts import Outcome


def failing(requests, failures):
    return Sums(exposed=requests, events=failures, first_events=failures)


def test_harm_of_a_later_step_need_not_outweigh_a_good_one():
    """In the first step a tenth of the failures are the candidate's, as many as its weight makes likely; then half instead of a quarter."""
    plan = Plan(steps=[Step(1_000), Step(2_500)], guardrails=[Guardrail("errors", "errors")])
    counted = {1_000: (failing(180_000, 1_800), failing(20_000, 200)), 2_500: (failing(3_000, 30), failing(1_000, 30))}

    (verdict,) = judge(plan, {"errors": Counted(counted)})

    assert verdict.outcome is Outcome.FAIL
