"""The levels that verdicts are tested at, and how alpha is shared out."""

import math

import pytest

from rollouts.verdicts import (
    Exposure,
    Origin,
    Outcome,
    Pairs,
    Sample,
    judge_agreement,
    judge_differences,
    judge_failures,
    judge_mean,
    judge_pairs,
    split_alpha,
)
from rollouts.verdicts.verdict import outcome

SCORES = Sample(500, 250.0, 130.0)
JUDGES = {
    "failures": lambda **levels: judge_failures("Metric", [Origin(0.5, 12, 10)], Exposure(600, 400), **levels),
    "means": lambda **levels: judge_mean("Metric", SCORES, SCORES, allowed=0.01, higher_is_better=True, **levels),
    "differences": lambda **levels: judge_differences("Metric", SCORES, allowed=0.5, higher_is_better=False, **levels),
    "pairs": lambda **levels: judge_pairs("Metric", Pairs(40, 10, 8, 5), **levels),
    "agreement": lambda **levels: judge_agreement("Metric", 100, 90, at_least=0.9, **levels),
}


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_a_verdict_tells_its_metric_and_both_levels(judge):
    one, two = judge(alpha=0.01), judge(alpha=0.01, alpha_pass=0.05)

    assert (one.threshold, one.pass_threshold) == (pytest.approx(math.log(100)), pytest.approx(math.log(100)))
    assert (two.threshold, two.pass_threshold) == (pytest.approx(math.log(100)), pytest.approx(math.log(20)))
    for verdict in (one, two):
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.metric == "Metric"
        assert verdict.sentence.startswith("Metric: not decided. ")
        assert verdict.reason
        assert all(math.isfinite(one) for one in (verdict.evidence_against, verdict.evidence_for))


@pytest.mark.parametrize(
    ("against", "in_favour", "found"),
    [
        (2.9, 1.9, Outcome.INCONCLUSIVE),
        (2.9, 2.0, Outcome.PASS),  # reached is enough
        (3.0, 1.9, Outcome.FAIL),
        (3.0, 2.0, Outcome.FAIL),
        (2.5, 0.0, Outcome.INCONCLUSIVE),
        (math.inf, math.inf, Outcome.FAIL),
    ],
)
def test_evidence_decides_where_it_reaches_its_threshold_and_fail_dominates(against, in_favour, found):
    assert outcome(against, in_favour, (3.0, 2.0)) is found


@pytest.mark.parametrize("counts", [(-1, 0), (0, -1)])
def test_requests_are_not_negative(counts):
    with pytest.raises(ValueError, match=r"^Exposure\(canary=.*counts are not negative"):
        Exposure(*counts)


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
