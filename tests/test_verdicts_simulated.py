"""Error rates in simulated trials, few and seeded; ``python -m benchmarks.verdicts`` draws enough to measure them."""

import math

import numpy as np
import pytest

from benchmarks.trials import LOOKS, independent, ramp, sticky
from benchmarks.verdicts import LIMIT, half_as_much_again, median, share, z_scores

REPLICATES = 400
# With a true rate of 5% so many of 400 trials have a probability below one in a million.
BEYOND_CHANCE = 45 / REPLICATES
BASE = 0.01


@pytest.fixture(scope="module")
def equal():
    return independent(np.random.default_rng(1), REPLICATES, champion=BASE, canary=BASE, weights=0.5)


def test_the_bound_is_what_it_says():
    tail = sum(math.comb(REPLICATES, k) * 0.05**k * 0.95 ** (REPLICATES - k) for k in range(45, REPLICATES + 1))

    assert tail < 1e-6


def test_an_equal_canary_is_seldom_rolled_back(equal):
    assert share(equal.evidence() >= LIMIT) < BEYOND_CHANCE


def test_two_rules_in_common_use_roll_it_back_often(equal):
    assert share(z_scores(equal) >= 1.6449) > 0.25
    assert share(half_as_much_again(equal)) > 0.25


def test_a_risk_that_trebles_during_a_ramp_is_not_the_canarys():
    drift = np.linspace(BASE, 3 * BASE, LOOKS)

    trials = independent(np.random.default_rng(2), REPLICATES, champion=drift, canary=drift, weights=ramp())

    assert share(trials.evidence() >= LIMIT) < BEYOND_CHANCE


def test_each_users_first_failure_is_counted_or_a_heavy_user_decides():
    first, every = sticky(np.random.default_rng(3), REPLICATES, base=BASE)

    assert share(first.evidence() >= LIMIT) < BEYOND_CHANCE
    assert share(every.evidence() >= LIMIT) > share(first.evidence() >= LIMIT) + 0.05


def test_harm_is_found_and_twice_the_risk_does_not_pass():
    trials = independent(np.random.default_rng(4), REPLICATES, champion=BASE, canary=2 * BASE, weights=0.5)

    found = trials.evidence() >= LIMIT

    assert share(found) > 0.98
    assert 2_500 < median(found) < 4_500
    assert share(trials.evidence(margin=2) >= LIMIT) < BEYOND_CHANCE


def test_an_equal_canary_passes(equal):
    passed = equal.evidence(margin=2) >= LIMIT

    assert share(passed) > 0.9
    assert 4_000 < median(passed) < 6_500


def test_late_harm_does_not_cost_the_error_rate(equal):
    assert share(equal.evidence(late=0.5, part=50) >= LIMIT) < BEYOND_CHANCE
