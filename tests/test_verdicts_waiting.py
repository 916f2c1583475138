"""How long a verdict is still expected to take, and how long a plan will take."""

import math
from itertools import product

import pytest

from rollouts.verdicts import Exposure, Origin, judge_failures, requests_to_fail, requests_to_pass
from rollouts.verdicts.origins import log_evidence, tally

ALPHA = 0.05


def judge(*origins, canary=6_000, champion=6_000, **options):
    return judge_failures("Errors", list(origins), Exposure(canary, champion), **{"alpha": ALPHA} | options)


def walked(share, weight, null, *, below, most):
    """Half of all walks, by writing all of them down: after how many failures has the evidence reached log 20?"""
    for steps in range(1, most + 1):
        reached = 0.0
        for walk in product([0, 1], repeat=steps):
            looks = (tally([Origin(weight, sum(walk[:n]), n - sum(walk[:n]))]) for n in range(1, steps + 1))
            if any(log_evidence(look, null, below=below)[0] >= math.log(20) for look in looks):
                reached += math.prod(share if own else 1 - share for own in walk)
        if reached >= 0.5:
            return steps
    return None


def test_a_plan_tells_the_median_of_all_walks():
    """At 19 times the risk and half of the traffic 19 of 20 failures are the canary's; a tenth of all requests fails."""
    failures = walked(0.95, 0.5, 1.0, below=False, most=9)

    found = requests_to_fail(base_rate=0.01, ratio=19, weight=0.5, alpha=ALPHA)

    assert found == failures / 0.1 == 80


def test_a_plan_for_a_pass_tells_the_median_of_all_walks():
    failures = walked(0.5, 0.5, 50.0, below=True, most=9)

    assert requests_to_pass(base_rate=0.25, weight=0.5, alpha=ALPHA, margin=50) == math.ceil(failures / 0.25)


def test_what_is_rarer_or_less_watched_takes_longer():
    rare = [requests_to_pass(base_rate=rate, weight=0.1, alpha=ALPHA) for rate in (0.1, 0.01, 0.001)]
    little = [requests_to_pass(base_rate=0.01, weight=weight, alpha=ALPHA) for weight in (0.5, 0.1, 0.01)]
    small = [requests_to_fail(base_rate=0.01, ratio=ratio, weight=0.1, alpha=ALPHA) for ratio in (5, 2, 1.5)]

    for found in (rare, little, small):
        assert found == sorted(set(found))


def test_some_verdicts_are_never_realistic():
    assert requests_to_pass(base_rate=0, weight=0.5, alpha=ALPHA) is None
    assert requests_to_pass(base_rate=1e-6, weight=0.01, alpha=ALPHA) is None
    assert requests_to_fail(base_rate=0.01, ratio=1.05, weight=0.5, alpha=ALPHA) is None
    assert requests_to_fail(base_rate=0.01, ratio=0.5, weight=0.5, alpha=ALPHA) is None


def test_no_canary_fails_more_often_than_always():
    assert requests_to_fail(base_rate=0.5, ratio=16, weight=0.5, alpha=ALPHA) == requests_to_fail(
        base_rate=0.5, ratio=2, weight=0.5, alpha=ALPHA
    )


@pytest.mark.parametrize(
    "bad", [{"base_rate": -0.1}, {"base_rate": 1.1}, {"weight": 0}, {"weight": 1}, {"ratio": 0}, {"alpha": 0}]
)
def test_a_plan_refuses_what_makes_no_sense(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        requests_to_fail(**{"base_rate": 0.01, "ratio": 2, "weight": 0.5, "alpha": ALPHA} | bad)


def test_a_plan_for_a_pass_asks_for_a_margin():
    with pytest.raises(ValueError, match="margin=1"):
        requests_to_pass(base_rate=0.01, weight=0.5, alpha=ALPHA, margin=1)


def test_what_is_expected_shrinks_as_requests_come():
    early = judge(Origin(0.5, 15, 15), canary=1_500, champion=1_500)
    late = judge(Origin(0.5, 18, 18), canary=1_800, champion=1_800)

    assert early.expected_more - late.expected_more == pytest.approx(600, abs=250)
    assert 600 < late.expected_more < 4_900  # the whole way of an equal candidate at 1%


def test_the_last_weight_is_the_one_in_force():
    few, many = (judge(Origin(0.5, 10, 10), Origin(weight, 0, 0)).expected_more for weight in (0.5, 0.05))

    assert many > 2 * few
