"""From sums by weight to the verdict of a guardrail."""

import pytest

from monitoring.selectors import PairSums
from rollouts.judging import Counted, Sums, judge
from rollouts.plans.parts import Guardrail, Plan, Shadow, Step
from rollouts.verdicts import Outcome


def failing(requests, failures):
    return Sums(exposed=requests, events=failures, first_events=failures)


def test_harm_of_a_later_step_need_not_outweigh_a_good_one():
    """In the first step a tenth of the failures are the candidate's, as many as its weight makes likely; then half instead of a quarter."""
    plan = Plan(steps=[Step(1_000), Step(2_500)], guardrails=[Guardrail("errors", "errors")])
    counted = {
        (1_000, 0): (failing(180_000, 1_800), failing(20_000, 200)),
        (2_500, 0): (failing(3_000, 30), failing(1_000, 30)),
    }

    (verdict,) = judge(plan, {"errors": Counted(counted)})

    assert verdict.outcome is Outcome.FAIL


def test_nor_need_harm_that_begins_within_a_long_step():
    """The same, but the weight stays: what went well for six hours is another part."""
    plan = Plan(steps=[Step(1_000)], guardrails=[Guardrail("errors", "errors")])
    well, ill = (failing(180_000, 1_800), failing(20_000, 200)), (failing(3_000, 30), failing(333, 25))

    (parted,) = judge(plan, {"errors": Counted({(1_000, 0): well, (1_000, 1): ill})})
    (pooled,) = judge(plan, {"errors": Counted({(1_000, 0): (well[0] + ill[0], well[1] + ill[1])})})

    assert parted.outcome is Outcome.FAIL
    assert pooled.outcome is not Outcome.FAIL


@pytest.mark.parametrize(
    ("lost", "won", "outcome"), [(12, 0, Outcome.FAIL), (60, 60, Outcome.PASS), (2, 1, Outcome.INCONCLUSIVE)]
)
@pytest.mark.parametrize("kind", ["paired_errors", "paired_quality"])
def test_a_shadow_is_judged_by_the_pairs_that_one_of_both_got_right(kind, lost, won, outcome):
    guard = Guardrail("right", kind, maturity_s=60 if kind == "paired_quality" else 0)
    plan = Plan(steps=[Step(1_000)], guardrails=[guard], shadow=Shadow())
    pairs = PairSums(answered_both=1_000, alike=800, only_champion=lost, only_candidate=won)

    (verdict,) = judge(plan, {"right": Counted(pairs=pairs)})

    assert verdict.outcome is outcome


def test_right_answers_are_shares_of_the_labelled_pairs():
    plan = Plan(steps=[Step(1_000)], guardrails=[Guardrail("right", "paired_quality", maturity_s=60)], shadow=Shadow())

    (verdict,) = judge(plan, {"right": Counted(pairs=PairSums(1_000, 0, 800, only_champion=50, only_candidate=30))})

    assert (verdict.champion, verdict.canary, verdict.n) == (0.85, 0.83, 1_000)
