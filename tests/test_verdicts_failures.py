"""Verdicts on failures, how long they will take, and how alpha is shared out."""

import math
from itertools import product

import pytest

from rollouts.verdicts import (
    Exposure,
    Origin,
    Outcome,
    judge_failures,
    requests_to_fail,
    requests_to_pass,
    split_alpha,
)
from rollouts.verdicts.origins import log_evidence, tally

ALPHA = 0.05


def judge(*origins, canary=6_000, champion=6_000, **options):
    return judge_failures("Errors", list(origins), Exposure(canary, champion), **{"alpha": ALPHA} | options)


def test_fails_where_failures_come_from_the_canary_more_often_than_its_weight_explains():
    verdict = judge(Origin(0.5, 60, 24))

    assert verdict.outcome is Outcome.FAIL
    assert (verdict.champion, verdict.canary) == (0.004, 0.01)
    assert verdict.evidence_against >= verdict.threshold == pytest.approx(math.log(20))
    assert (verdict.n, verdict.expected_more, verdict.reason) == (12_000, 0, "")
    assert verdict.ratio[0] > 1
    assert verdict.ratio[1] == pytest.approx(2.5)
    assert verdict.sentence == (
        "Errors: worse. 1.00% of the candidate's requests against 0.40% of the champion's: at least 1.3 times the champion's risk, more than "
        "chance explains."
    )


def test_passes_where_twice_the_risk_is_excluded():
    verdict = judge(Origin(0.5, 60, 60))

    assert verdict.outcome is Outcome.PASS
    assert verdict.evidence_for >= verdict.pass_threshold == pytest.approx(math.log(20))
    assert verdict.ratio[2] < 2
    assert "at most 1.7 times the champion's risk, below the limit of 2 times" in verdict.sentence


def test_between_them_says_what_is_missing_and_for_how_long():
    verdict = judge(Origin(0.5, 12, 10))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.ratio[0] < 1
    assert verdict.ratio[2] > 2
    assert verdict.expected_more > 1_000
    assert verdict.reason.startswith("From 22 failures the candidate's risk may be anything from 0.")
    assert "more requests are expected to decide it" in verdict.sentence


def test_worse_by_less_than_the_margin_fails():
    verdict = judge(Origin(0.5, 1_400, 1_000), canary=100_000, champion=100_000)

    assert verdict.evidence_against >= verdict.threshold
    assert verdict.evidence_for >= verdict.pass_threshold
    assert verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("canary", "champion", "arm"), [(0, 500, "candidate"), (500, 0, "champion"), (0, 0, "candidate")]
)
def test_an_arm_without_requests_is_no_data(canary, champion, arm):
    verdict = judge(Origin(0.5, 0, 0), canary=canary, champion=champion)

    assert verdict.outcome is Outcome.NO_DATA
    assert verdict.reason == f"The {arm} has answered no requests yet, so there is nothing to compare."
    assert verdict.sentence == f"Errors: no data. {verdict.reason}"
    assert (verdict.expected_more, verdict.ratio) == (None, None)


@pytest.mark.parametrize("origins", [[], [Origin(0.5, 0, 0)]])
def test_without_a_failure_nothing_is_decided_however_many_requests(origins):
    verdict = judge(*origins, canary=10**6, champion=10**6)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert (verdict.evidence_against, verdict.evidence_for) == (pytest.approx(0), pytest.approx(0))
    assert (verdict.expected_more, verdict.ratio) == (None, (0.0, 0.0, math.inf))
    assert verdict.reason == "Nothing has failed in either arm yet, so nothing tells them apart."


def test_a_pass_may_be_tested_at_a_level_of_its_own():
    counts = Origin(0.5, 42, 42)

    strict = judge(counts, alpha=0.01)
    both = judge(counts, alpha=0.01, alpha_pass=0.05)

    assert strict.outcome is Outcome.INCONCLUSIVE
    assert strict.ratio[0] == both.ratio[0]
    assert strict.ratio[2] > 2 > both.ratio[2]
    assert both.outcome is Outcome.PASS
    assert (both.threshold, both.pass_threshold) == (pytest.approx(math.log(100)), pytest.approx(math.log(20)))


def test_late_harm_reaches_the_verdict():
    good, bad = Origin(0.5, 1_000, 1_000), Origin(0.5, 40, 8, part=1)

    assert judge(good, bad).outcome is not Outcome.FAIL
    assert judge(good, bad, late=0.1).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha=0 lies outside"),
        ({"alpha": 1}, "alpha=1 lies outside"),
        ({"alpha_pass": 2}, "alpha=2 lies outside"),
        ({"margin": 1}, "margin=1"),
        ({"canary": 1}, "more failures"),
        ({"champion": 1}, "more failures"),
    ],
)
def test_refuses_what_makes_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        judge(Origin(0.5, 2, 2), **options)


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


def test_alpha_is_shared_out_equally_or_by_weight():
    assert split_alpha(0.06, ["errors", "latency"]) == {"errors": 0.03, "latency": 0.03}
    assert split_alpha(0.06, ["errors", "latency", "cost"], {"errors": 4}) == pytest.approx(
        {"errors": 0.04, "latency": 0.01, "cost": 0.01}
    )
    assert split_alpha(0.06, ["errors", "latency"], {"errors": 0.5}) == pytest.approx({"errors": 0.02, "latency": 0.04})


@pytest.mark.parametrize(
    ("alpha", "names", "weights", "message"),
    [
        (0, ["a"], None, "alpha=0"),
        (1, ["a"], None, "alpha=1"),
        (0.05, [], None, "Each guardrail"),
        (0.05, ["a", "a"], None, "Each guardrail"),
        (0.05, ["a"], {"b": 1}, "unknown guardrails: \\['b'\\]"),
        (0.05, ["a"], {"a": 0}, "above 0"),
        (0.05, ["a"], {"a": math.inf}, "above 0"),
    ],
)
def test_alpha_is_not_shared_out_among(alpha, names, weights, message):
    with pytest.raises(ValueError, match=message):
        split_alpha(alpha, names, weights)
