"""How long a verdict is still expected to take, and how long a plan will take."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq

from rollouts.verdicts import (
    Exposure,
    Origin,
    Outcome,
    Pairs,
    judge_agreement,
    judge_failures,
    judge_pairs,
    requests_to_fail,
    requests_to_pass,
)
from rollouts.verdicts.origins import RATIOS, log_evidence, tally

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
    "bad",
    [
        {"base_rate": -0.1},
        {"base_rate": 1.1},
        {"weight": 0},
        {"weight": 1},
        {"ratio": 0},
        {"ratio": math.inf},
        {"alpha": 0},
    ],
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


def worse(limit):
    return 1.0, False, limit


def no_worse(margin, limit):
    return margin, True, limit


def median(share, weight, rules, known=()):
    """After how many more failures has the evidence reached a limit in half of all walks? Each state is looked at by itself."""
    alive, more = {0: 1.0}, 0
    while sum(alive.values()) > 0.5:
        more += 1
        further = {own: alive.get(own, 0.0) * (1 - share) + alive.get(own - 1, 0.0) * share for own in range(more + 1)}
        alive = {
            own: chance for own, chance in further.items() if chance and not reached(own, more, weight, rules, known)
        }
    return more


def reached(own, more, weight, rules, known):
    counts = tally([*known, Origin(weight, own, more - own)])
    return any(log_evidence(counts, null, below=below)[0] >= limit for null, below, limit in rules)


def likely_ratio(known):
    """The ratio at which the canary's share of the failures is what it was, with half a failure more in each arm."""
    at_each = 1 / len(known)

    def surplus(ratio):
        expected = sum(
            (one.canary + one.champion + at_each) * one.weight * ratio / (one.weight * ratio + 1 - one.weight)
            for one in known
        )
        return expected - sum(one.canary for one in known) - 0.5

    return brentq(surplus, 1e-3, 1e3)


def ahead(known, weight, rules):
    ratio = likely_ratio(known)
    return median(weight * ratio / (weight * ratio + 1 - weight), weight, rules, known)


@pytest.mark.parametrize(
    ("known", "options"),
    [
        ([Origin(0.5, 9, 9)], {"margin": 3.0}),
        ([Origin(0.5, 16, 6)], {}),
        ([Origin(0.5, 16, 6)], {"alpha": 0.1, "alpha_pass": 0.01}),
        ([Origin(0.5, 6, 6)], {"alpha": 0.01, "alpha_pass": 0.1, "margin": 3.0}),
        ([Origin(0.1, 1, 8), Origin(0.3, 9, 10)], {"margin": 3.0}),
    ],
)
def test_what_is_expected_is_the_median_of_all_walks_from_here(known, options):
    alpha, margin = options.get("alpha", ALPHA), options.get("margin", 2.0)
    rules = [worse(-math.log(alpha)), no_worse(margin, -math.log(options.get("alpha_pass", alpha)))]
    failures = sum(one.canary + one.champion for one in known)

    verdict = judge(*known, canary=300, champion=500, **options)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.expected_more == math.ceil(ahead(known, known[-1].weight, rules) * 800 / failures)


def test_pairs_wait_for_those_of_which_one_is_right():
    rules = [worse(math.log(10)), no_worse(3.0, math.log(50))]

    verdict = judge_pairs("Accuracy", Pairs(30, 9, 9, 12), alpha=0.1, alpha_pass=0.02, margin=3.0)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.expected_more == math.ceil(ahead([Origin(0.5, 9, 9)], 0.5, rules) * 60 / 18)


@pytest.mark.parametrize(
    ("agreeing", "alpha", "alpha_pass"), [(11, 0.1, 0.02), (11, 0.02, 0.1), (20, 0.1, 0.02), (20, 0.02, 0.1)]
)
def test_each_pair_counts_where_two_should_decide_alike(agreeing, alpha, alpha_pass):
    """A pair that disagrees stands for a failure of the canary, one that agrees for one of the champion: all of them count."""
    rules = [worse(-math.log(alpha)), no_worse(1.0, -math.log(alpha_pass))]

    verdict = judge_agreement("Alike", 25, agreeing, alpha=alpha, at_least=0.625, alpha_pass=alpha_pass)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.expected_more == ahead([Origin(0.375, 25 - agreeing, agreeing)], 0.375, rules)


@pytest.mark.parametrize(("ratio", "weight"), [(3, 0.5), (5, 0.1), (0.4, 0.5)])
def test_plans_tell_the_median_of_longer_walks(ratio, weight):
    failed = 0.01 * (1 - weight) + 0.01 * ratio * weight
    share = 0.01 * ratio * weight / failed

    found = requests_to_fail(base_rate=0.01, ratio=ratio, weight=weight, alpha=ALPHA)

    assert found == (None if ratio < 1 else math.ceil(median(share, weight, [worse(math.log(20))]) / failed))


def test_a_plan_for_a_pass_excludes_twice_the_risk_where_nothing_else_is_said():
    failures = median(0.5, 0.5, [no_worse(2.0, math.log(20))])

    assert requests_to_pass(base_rate=0.01, weight=0.5, alpha=ALPHA) == math.ceil(failures / 0.01)
    assert requests_to_pass(base_rate=1.0, weight=0.5, alpha=ALPHA) == failures


def test_a_ratio_near_the_smallest_that_is_looked_for_takes_what_half_of_drawn_walks_take():
    """The walk that is expected takes 7,711 failures; half of 200 that are drawn have arrived far sooner."""
    ratio, walks, most = 1.13, 200, 3_000
    draws = np.random.default_rng(4).random((walks, most)) < ratio / (1 + ratio)
    own = draws.cumsum(axis=1)
    after = np.arange(1, most + 1)
    prior = np.log(1 / RATIOS / (1 / RATIOS).sum())
    odds = [at + own * np.log(k) + after * np.log(2 / (1 + k)) for at, k in zip(prior, RATIOS, strict=True)]
    arrived = np.logaddexp.reduce(odds) >= math.log(20)
    took = np.median(np.where(arrived.any(axis=1), arrived.argmax(axis=1) + 1, np.inf))

    found = requests_to_fail(base_rate=0.2, ratio=ratio, weight=0.5, alpha=ALPHA)

    assert took < 3_000
    assert found * 0.1 * (1 + ratio) == pytest.approx(took, rel=0.2)


def test_where_walks_are_longer_than_8000_failures_the_one_that_is_expected_is_told():
    """Of n failures a hundredth is expected to be the canary's; each step that is looked at is 4% farther than the one before."""

    def short_of(failures):
        counts = tally([Origin(0.01, 0.01 * failures, 0.99 * failures)])
        return log_evidence(counts, 1.25, below=True)[0] - math.log(20)

    failures = brentq(short_of, 1, 10**6)

    found = requests_to_pass(base_rate=0.5, weight=0.01, alpha=ALPHA, margin=1.25)

    assert failures > 8_000
    assert failures / 0.5 <= found <= failures / 0.5 * 1.042
