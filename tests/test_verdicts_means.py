"""Numeric metrics: intervals that hold at all times."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.verdicts import Outcome, Sample, judge_differences, judge_mean
from rollouts.verdicts.means import Difference, between, within
from tests.mixtures import mixture

ALPHA = 0.05
LIMIT = math.log(20)


def sample(values):
    values = np.asarray(values, float)
    return Sample(len(values), float(values.sum()), float((values**2).sum()))


def alternating(n, mean, spread=0.1):
    """A sample of n values, half of them ``spread`` above the mean and half below."""
    return Sample(n, n * mean, n * (mean**2 + spread**2))


def judge(champion, canary, **options):
    settings = {"alpha": ALPHA, "allowed": 0.05, "higher_is_better": True} | options
    return judge_mean("Score", champion, canary, **settings)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50).filter(lambda values: np.ptp(values) > 1e-3))
def test_a_sample_knows_mean_and_variance_from_its_sums(values):
    half = len(values) // 2

    found = sample(values[:half]) + sample(values[half:])

    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.variance == pytest.approx(np.var(values, ddof=1), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("few", [Sample(0, 0.0, 0.0), Sample(1, 3.0, 9.0), Sample(10, 1.0, 0.1)])
def test_variance_lost_in_rounding_is_none(few):
    assert few.variance == 0


@pytest.mark.parametrize("bad", [(-1, 0.0, 0.0), (1, math.nan, 1.0), (1, 1.0, -1.0), (1, 1.0, math.inf)])
def test_sums_of_a_sample_are_sums(bad):
    with pytest.raises(ValueError, match="sums are finite"):
        Sample(*bad)


def test_the_difference_of_two_means():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, 400), rng.normal(0.2, 2, 100)

    found = between([sample(one)], [sample(other)])

    assert found.estimate == pytest.approx(other.mean() - one.mean())
    assert found.error == pytest.approx(math.sqrt(one.var(ddof=1) / 400 + other.var(ddof=1) / 100))
    assert found.n == 500


def test_a_mean_that_drifts_during_a_ramp_is_no_difference():
    """Both arms move from 0.2 to 0.6 while the canary grows from a tenth to a half."""
    champion = [alternating(9_000, 0.2), alternating(5_000, 0.6)]
    canary = [alternating(1_000, 0.2), alternating(5_000, 0.6)]

    apart = judge(champion, canary)
    pooled = judge(champion[0] + champion[1], canary[0] + canary[1], higher_is_better=None)

    assert apart.outcome is Outcome.PASS
    assert apart.difference[1] == pytest.approx(0)
    assert (apart.champion, apart.canary) == (pytest.approx(4.8 / 14), pytest.approx(3.2 / 6))
    assert pooled.outcome is Outcome.FAIL


def test_strata_weigh_by_how_much_they_tell():
    champion = [alternating(900, 0.0), alternating(500, 0.0)]
    canary = [alternating(100, 0.1), alternating(500, 0.3)]

    found = between(champion, canary)

    assert found.estimate == pytest.approx((90 * 0.1 + 250 * 0.3) / 340)
    assert between([*champion, alternating(50, 0.0)], [*canary, Sample(1, 9.0, 81.0)]).estimate == found.estimate


@pytest.mark.parametrize(
    ("mean", "higher", "outcome"),
    [
        (0.60, True, Outcome.PASS),
        (0.48, True, Outcome.PASS),
        (0.45, True, Outcome.INCONCLUSIVE),
        (0.40, True, Outcome.FAIL),
        (0.60, False, Outcome.FAIL),
        (0.40, False, Outcome.PASS),
        (0.60, None, Outcome.FAIL),
        (0.40, None, Outcome.FAIL),
        (0.51, None, Outcome.PASS),
        (0.55, None, Outcome.INCONCLUSIVE),
    ],
)
def test_a_direction_says_what_is_worse(mean, higher, outcome):
    verdict = judge(alternating(2_000, 0.5), alternating(2_000, mean), higher_is_better=higher)

    assert verdict.outcome is outcome
    low, estimate, high = verdict.difference
    assert low < estimate < high
    assert estimate == pytest.approx(mean - 0.5)
    assert (verdict.expected_more == 0) == (outcome is not Outcome.INCONCLUSIVE)
    assert (verdict.reason == "") == (outcome is not Outcome.INCONCLUSIVE)
    word = {
        Outcome.PASS: "good enough",
        Outcome.FAIL: f"{ {True: 'worse (lower)', False: 'worse (higher)', None: 'off'}[higher] } by more than the 0.05 allowed",
        Outcome.INCONCLUSIVE: "not decided",
    }
    assert verdict.sentence.startswith(f"Score: {word[outcome]}")


def test_the_interval_excludes_what_the_verdict_excludes():
    passing = judge(alternating(2_000, 0.5), alternating(2_000, 0.48))
    failing = judge(alternating(2_000, 0.5), alternating(2_000, 0.4))

    assert passing.difference[0] > -0.05
    assert failing.difference[2] < -0.05
    assert passing.evidence_for >= LIMIT > passing.evidence_against
    assert failing.evidence_against >= LIMIT > failing.evidence_for


def test_each_bound_has_the_level_of_what_it_excludes():
    arms = alternating(200, 0.5), alternating(200, 0.5)

    def reach(**options):
        low, estimate, high = judge(*arms, **options).difference
        return estimate - low, high - estimate

    strict, loose = reach(alpha=0.01)[0], reach(alpha=0.05)[0]
    assert strict > loose
    assert reach(alpha=0.01, alpha_pass=0.05, higher_is_better=True) == pytest.approx((loose, strict))
    assert reach(alpha=0.01, alpha_pass=0.05, higher_is_better=False) == pytest.approx((strict, loose))
    assert reach(alpha=0.01, alpha_pass=0.05, higher_is_better=None) == pytest.approx((strict, strict))


def test_mirroring_the_values_mirrors_the_verdict():
    up = judge(alternating(500, 0.5), alternating(700, 0.47), higher_is_better=True)
    down = judge(alternating(500, -0.5), alternating(700, -0.47), higher_is_better=False)

    assert (up.evidence_against, up.evidence_for) == pytest.approx((down.evidence_against, down.evidence_for))
    assert up.difference == pytest.approx([-one for one in reversed(down.difference)])


def test_both_directions_take_the_mean_of_two_against_and_the_weaker_of_two_for():
    arms = alternating(500, 0.5), alternating(700, 0.47)

    both, up, down = (judge(*arms, higher_is_better=higher) for higher in (None, True, False))

    assert math.exp(both.evidence_against) == pytest.approx(
        (math.exp(up.evidence_against) + math.exp(down.evidence_against)) / 2
    )
    assert both.evidence_for == pytest.approx(min(up.evidence_for, down.evidence_for))


def test_what_is_expected_is_what_it_then_takes():
    mean = 0.47
    verdict = judge(alternating(200, 0.5), alternating(200, mean))
    n = (400 + verdict.expected_more) // 2

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert judge(alternating(n + 50, 0.5), alternating(n + 50, mean)).outcome is Outcome.PASS
    assert judge(alternating(int(n * 0.85), 0.5), alternating(int(n * 0.85), mean)).outcome is Outcome.INCONCLUSIVE


def test_a_difference_of_exactly_what_is_allowed_is_never_decided():
    verdict = judge(alternating(500, 0.5), alternating(500, 0.45))

    assert verdict.expected_more is None
    assert verdict.sentence.endswith("At this rate no verdict is in sight.")


@pytest.mark.parametrize(
    ("champion", "canary", "outcome", "reason"),
    [
        (500, 0, Outcome.NO_DATA, "The candidate has answered no requests yet"),
        (0, 500, Outcome.NO_DATA, "The champion has answered no requests yet"),
        (0, 0, Outcome.NO_DATA, "The candidate has answered no requests yet"),
        (500, 99, Outcome.INCONCLUSIVE, "Only 99 values of the candidate so far; from 100 on"),
        (99, 500, Outcome.INCONCLUSIVE, "Only 99 values of the champion so far; from 100 on"),
    ],
)
def test_below_100_values_there_is_no_interval(champion, canary, outcome, reason):
    verdict = judge(alternating(champion, 0.5), alternating(canary, 5.0))

    assert verdict.outcome is outcome
    assert verdict.reason.startswith(reason)
    words = "no data" if outcome is Outcome.NO_DATA else "not decided"
    assert verdict.sentence == f"Score: {words}. {verdict.reason}"
    assert (verdict.difference, verdict.expected_more) == (None, None)
    assert (verdict.evidence_against, verdict.evidence_for) == (0, 0)


def test_values_that_do_not_vary_decide_nothing():
    verdict = judge(alternating(500, 0.5, spread=0), alternating(500, 0.5, spread=0))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "The values do not vary, so what chance does to them is unknown."


@pytest.mark.parametrize(
    "options",
    [
        {"allowed": -0.1},
        {"allowed": math.inf},
        {"allowed": 0, "higher_is_better": None},
        {"alpha": 0},
        {"alpha_pass": 1},
    ],
)
def test_refuses_what_makes_no_sense(options):
    with pytest.raises(ValueError, match=r"allow|alpha"):
        judge(alternating(500, 0.5), alternating(500, 0.5), **options)


def test_arms_have_as_many_samples():
    with pytest.raises(ValueError, match="2 samples of the champion, 1 of the canary"):
        judge([alternating(500, 0.5)] * 2, [alternating(500, 0.5)])


def test_differences_on_the_same_requests():
    few, enough = alternating(99, -0.1), alternating(400, -0.1)

    early = judge_differences("Score", few, alpha=ALPHA, allowed=0.05, higher_is_better=True)
    verdict = judge_differences("Score", enough, alpha=ALPHA, allowed=0.05, higher_is_better=True, values=(0.5, 0.4))

    assert early.reason == "Only 99 pairs so far; from 100 on there is an interval."
    assert verdict.outcome is Outcome.FAIL
    assert (verdict.champion, verdict.canary, verdict.n) == (0.5, 0.4, 400)
    assert within(enough).error == pytest.approx(math.sqrt(enough.variance / 400))
    assert (
        judge_differences("Score", Sample(0, 0.0, 0.0), alpha=ALPHA, allowed=0.05, higher_is_better=True).outcome
        is Outcome.NO_DATA
    )


@pytest.mark.parametrize(
    ("mean", "higher", "outcome"),
    [
        (-0.1, True, Outcome.FAIL),
        (0.1, True, Outcome.PASS),
        (-0.1, False, Outcome.PASS),
        (0.1, False, Outcome.FAIL),
        (0.1, None, Outcome.FAIL),
        (0.0, None, Outcome.PASS),
        (-0.049, True, Outcome.INCONCLUSIVE),
    ],
)
def test_differences_on_the_same_requests_know_what_is_worse(mean, higher, outcome):
    difference = alternating(400, mean)

    verdict = judge_differences("Score", difference, alpha=ALPHA, allowed=0.05, higher_is_better=higher)

    assert verdict.outcome is outcome
    assert verdict.sentence.startswith("Score: ")
    assert ("more pairs are expected" in verdict.sentence) == (outcome is Outcome.INCONCLUSIVE)


def test_differences_pass_at_their_own_level_and_are_told_from_100_pairs_on():
    difference = alternating(100, 0.0)

    def judged(**options):
        return judge_differences("Score", difference, alpha=0.05, allowed=0.062, higher_is_better=True, **options)

    assert judged().difference is not None
    assert judged().outcome is Outcome.PASS
    assert judged(alpha_pass=0.0001).outcome is Outcome.INCONCLUSIVE
    assert judged(alpha_pass=0.0001).pass_threshold == pytest.approx(math.log(10_000))


@pytest.mark.parametrize("higher", [True, False, None])
def test_evidence_of_either_kind_is_taken_at_its_own_level(higher):
    """The candidate is 0.03 lower, and 0.05 may be lost."""
    arms = alternating(500, 0.5), alternating(700, 0.47)
    error = math.sqrt(0.01 / 499 + 0.01 / 699)

    verdict = judge(*arms, alpha=0.01, alpha_pass=0.05, higher_is_better=higher)

    lost = {True: [0.03], False: [-0.03], None: [0.03, -0.03]}[higher]
    against = [mixture((loss - 0.05) / error, 1_200, 0.01) for loss in lost]
    assert verdict.evidence_against == pytest.approx(np.log(np.mean(np.exp(against))), abs=1e-3)
    assert verdict.evidence_for == pytest.approx(
        min(mixture((0.05 - loss) / error, 1_200, 0.05) for loss in lost), abs=1e-3
    )


@pytest.mark.parametrize(("alpha", "alpha_pass"), [(0.05, 0.05), (0.001, 0.2), (0.2, 0.001)])
@pytest.mark.parametrize(
    ("mean", "higher"), [(0.47, True), (0.43, True), (0.53, False), (0.57, False), (0.52, None), (0.57, None)]
)
def test_what_is_expected_is_the_first_of_steps_at_which_a_verdict_is_there(mean, higher, alpha, alpha_pass):
    """Steps are 8.4% apart: at the one before there is no verdict yet."""

    def judged(n):
        arms = (alternating(n, one) for one in (0.5, mean))
        return judge(*arms, alpha=alpha, alpha_pass=alpha_pass, higher_is_better=higher)

    more = judged(100).expected_more

    assert judged(100 + more * 1.005 / 2).outcome is not Outcome.INCONCLUSIVE
    assert judged(100 + more / 1.09 / 2).outcome is Outcome.INCONCLUSIVE


def test_strata_are_left_out_below_two_values_of_an_arm_and_counted():
    two, many = Sample(2, 1.0, 1.0), alternating(100, 0.25)
    one = Sample(1, 9.0, 81.0)

    assert between([two], [two + two]).error == pytest.approx(math.sqrt(0.5 / 2 + 1 / 3 / 4))
    assert between([one, two], [many, many]) == replace(between([two], [many]), n=203)
    assert between([], []) == Difference(0.0, 0.0, 0)
    assert between([one], [many]) == Difference(0.0, 0.0, 101)


def test_strata_of_other_sizes_weigh_by_the_product_over_the_sum():
    champion = [alternating(900, 0.0), alternating(100, 0.0)]
    canary = [alternating(100, 0.1), alternating(100, 0.3)]

    found = between(champion, canary)

    assert found.estimate == pytest.approx((90 * 0.1 + 50 * 0.3) / 140)
    variances = 90**2 * (0.01 / 899 + 0.01 / 99), 50**2 * (0.01 / 99 + 0.01 / 99)
    assert found.error == pytest.approx(math.sqrt(sum(variances)) / 140)


def test_one_difference_alone_has_no_error_yet():
    assert within(Sample(0, 0.0, 0.0)) == Difference(0.0, 0.0, 0)
    assert within(Sample(1, 3.0, 9.0)) == Difference(3.0, 0.0, 1)
    assert within(Sample(2, 0.0, 8.0)) == Difference(0.0, 2.0, 2)


def test_from_100_values_of_either_arm_on_there_is_an_interval_also_where_nothing_may_be_lost():
    verdict = judge(alternating(100, 0.5), alternating(100, 0.6), allowed=0)

    assert (verdict.outcome, verdict.n) == (Outcome.PASS, 200)
    assert verdict.difference[0] > 0
