"""What both models answered to the same requests."""

import math

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from rollouts.verdicts import Origin, Outcome, Pairs, judge_agreement, judge_pairs
from rollouts.verdicts.origins import RATIOS, evidence, tally

ALPHA = 0.05
COUNT = st.integers(0, 80)


@pytest.mark.parametrize(
    ("pairs", "outcome", "words"),
    [
        (
            Pairs(800, 90, 50, 80),
            Outcome.FAIL,
            "worse. Right on 83.33% of the same 1,020 requests, the champion on 87.25%",
        ),
        (Pairs(800, 60, 60, 80), Outcome.PASS, "good enough."),
        (Pairs(800, 70, 50, 80), Outcome.INCONCLUSIVE, "the candidate won 50 and lost 70. About"),
        (Pairs(0, 0, 0, 0), Outcome.NO_DATA, "no data. No request was answered by both yet."),
        (Pairs(500, 0, 0, 500), Outcome.INCONCLUSIVE, "At this rate no verdict is in sight."),
    ],
)
def test_only_pairs_of_which_one_is_right_decide(pairs, outcome, words):
    verdict = judge_pairs("Accuracy", pairs, alpha=ALPHA)

    assert verdict.outcome is outcome
    assert words in verdict.sentence
    assert verdict.n == pairs.n


@examples(max_examples=25)
@given(COUNT, COUNT, COUNT, COUNT)
def test_pairs_that_agree_say_nothing(both, lost, won, neither):
    here = judge_pairs("Accuracy", Pairs(both, lost, won, neither), alpha=ALPHA)
    there = judge_pairs("Accuracy", Pairs(0, lost, won, 0), alpha=ALPHA)

    assert (here.evidence_against, here.evidence_for) == (there.evidence_against, there.evidence_for)
    assert here.evidence_against == evidence(tally([Origin(0.5, lost, won)]), 2.0)[0]


def test_the_shares_of_right_answers_and_their_difference():
    verdict = judge_pairs("Accuracy", Pairs(800, 70, 50, 80), alpha=ALPHA)

    assert (verdict.champion, verdict.canary) == (0.87, 0.85)
    low, estimate, high = verdict.difference
    assert low < estimate < high
    assert estimate == pytest.approx(-0.02)
    assert verdict.ratio[1] == pytest.approx(1.4)
    stricter = judge_pairs("Accuracy", Pairs(800, 70, 50, 80), alpha=0.01, alpha_pass=ALPHA)
    assert stricter.difference == (low, estimate, pytest.approx(0.019, abs=0.001))
    assert judge_pairs("Accuracy", Pairs(80, 9, 5, 5), alpha=ALPHA).difference is None
    assert judge_pairs("Accuracy", Pairs(800, 0, 0, 80), alpha=ALPHA).difference is None


def test_waiting_is_told_in_pairs_and_grows_with_agreement():
    few, many = (judge_pairs("Accuracy", Pairs(both, 14, 10, 0), alpha=ALPHA) for both in (100, 10_000))

    assert many.expected_more > 10 * few.expected_more


def test_one_ratio_by_hand():
    """The first of all pairs goes to the champion: each ratio's likelihood is 2 r / (r + 1) as high."""
    verdict = judge_pairs("Accuracy", Pairs(0, 1, 0, 0), alpha=ALPHA)

    expected = sum(1 / r * 2 * r / (r + 1) for r in RATIOS) / sum(1 / r for r in RATIOS)
    assert math.exp(verdict.evidence_against) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [{"margin": 1}, {"alpha": 0}, {"alpha_pass": 1}])
def test_pairs_refuse_what_makes_no_sense(bad):
    with pytest.raises(ValueError, match=r"margin|alpha"):
        judge_pairs("Accuracy", Pairs(1, 1, 1, 1), **{"alpha": ALPHA} | bad)


@pytest.mark.parametrize("counts", [(-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1)])
def test_counts_of_pairs_are_not_negative(counts):
    with pytest.raises(ValueError, match="not negative"):
        Pairs(*counts)


def test_the_difference_of_shares_is_told_from_100_pairs_on_also_where_as_many_were_won_as_lost():
    low, estimate, high = judge_pairs("Accuracy", Pairs(80, 9, 9, 2), alpha=ALPHA).difference

    assert estimate == 0
    assert low == pytest.approx(-high)


def test_without_pairs_there_is_no_ratio():
    assert judge_pairs("Accuracy", Pairs(0, 0, 0, 0), alpha=ALPHA).ratio is None


@pytest.mark.parametrize(
    ("agreeing", "outcome", "words"),
    [
        (995, Outcome.PASS, "near enough. Both decide alike on 99.50% of the same requests; 98.00% is asked for"),
        (980, Outcome.INCONCLUSIVE, "not decided."),
        (955, Outcome.FAIL, "too far apart."),
        (0, Outcome.FAIL, "too far apart."),
    ],
)
def test_deciding_alike_without_labels(agreeing, outcome, words):
    verdict = judge_agreement("Alike", 1_000, agreeing, alpha=ALPHA, at_least=0.98)

    assert verdict.outcome is outcome
    assert words in verdict.sentence
    assert (verdict.canary, verdict.champion, verdict.n) == (agreeing / 1_000, None, 1_000)
    assert (verdict.expected_more == 0) == (outcome is not Outcome.INCONCLUSIVE)


def test_deciding_alike_without_pairs_is_no_data():
    verdict = judge_agreement("Alike", 0, 0, alpha=ALPHA, at_least=0.98)

    assert verdict.outcome is Outcome.NO_DATA
    assert verdict.sentence == "Alike: no data. No request was answered by both yet."


def test_agreement_at_its_limit_is_a_fair_game():
    """At exactly the share asked for, each e-value is expected to be 1 after every number of pairs."""
    at_least, n = 0.9, 6
    for side in ("evidence_against", "evidence_for"):
        expected = sum(
            math.comb(n, k) * at_least**k * (1 - at_least) ** (n - k)
            * math.exp(getattr(judge_agreement("Alike", n, k, alpha=ALPHA, at_least=at_least), side))
            for k in range(n + 1)
        )  # fmt: skip
        assert expected == pytest.approx(1)


@pytest.mark.parametrize("bad", [(10, 11, 0.9), (10, -1, 0.9), (10, 5, 0), (10, 5, 1)])
def test_agreement_refuses_what_makes_no_sense(bad):
    pairs_n, agreeing, at_least = bad
    with pytest.raises(ValueError, match="Alike"):
        judge_agreement("Alike", pairs_n, agreeing, alpha=ALPHA, at_least=at_least)
