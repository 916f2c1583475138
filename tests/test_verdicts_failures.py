"""Verdicts on failures."""

import math

import pytest

from rollouts.verdicts import Exposure, Origin, Outcome, judge_failures

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
        ({"canary": 1, "champion": 1}, "more failures"),
        ({"champion": 1}, "more failures"),
    ],
)
def test_refuses_what_makes_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        judge(Origin(0.5, 2, 2), **options)


@pytest.mark.parametrize("failed", [Origin(0.5, 5, 1), Origin(0.5, 1, 5)])
def test_no_arm_has_more_failures_than_requests(failed):
    with pytest.raises(ValueError, match=r"^Errors: more failures \([15], [15]\) than requests"):
        judge(failed, canary=3 + failed.champion, champion=3 + failed.canary)
