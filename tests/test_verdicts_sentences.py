"""What a verdict says, to the last word."""

import math

import pytest

from rollouts.verdicts import (
    Exposure,
    Origin,
    Outcome,
    Pairs,
    Sample,
    judge_agreement,
    judge_failures,
    judge_mean,
    judge_pairs,
)
from rollouts.verdicts import sentences as said

ALPHA = 0.05
MORE = "About 1,200 more {} are expected to decide it."
NEVER = "At this rate no verdict is in sight."


def two_digits(n):
    return f"{float(f'{n:.2g}'):,.0f}"


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.0, "0 times"),
        (0.123, "0.12 times"),
        (1.25, "1.2 times"),
        (9.94, "9.9 times"),
        (10.0, "10 times"),
        (99.7, "100 times"),
        (123.4, "123 times"),
        (math.inf, "any number of times"),
    ],
)
def test_ratios(ratio, words):
    assert said.times(ratio) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0.00%"),
        (0.00001, "0.0010%"),
        (0.00099, "0.0990%"),
        (0.001, "0.10%"),
        (0.1234, "12.34%"),
        (1.0, "100.00%"),
    ],
)
def test_shares_have_digits_enough_where_they_are_small(share, words):
    assert said.share(share) == words


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (None, NEVER),
        (7, "About 7 more requests are expected to decide it."),
        (99, "About 99 more requests are expected to decide it."),
        (123, "About 120 more requests are expected to decide it."),
        (1_260, "About 1,300 more requests are expected to decide it."),
        (1_234_567, "About 1,200,000 more requests are expected to decide it."),
    ],
)
def test_what_is_expected_has_two_digits(more, words):
    assert said.waiting(more, "requests") == words


def test_why_nothing_is_told_apart_yet():
    assert said.no_requests("canary") == "The candidate has answered no requests yet, so there is nothing to compare."
    assert said.no_requests("champion") == "The champion has answered no requests yet, so there is nothing to compare."
    assert said.why_open_failures(0, (0.0, 0.0, math.inf), 2.0) == (
        "Nothing has failed in either arm yet, so nothing tells them apart."
    )
    assert said.why_open_failures(1, (0.1, 1.0, 30.0), 2.0) == (
        "From 1 failure the candidate's risk may be anything from 0.1 times to 30 times the champion's; a verdict needs it to be above 1, "
        "or below 2, for certain."
    )
    assert said.why_open_failures(1_234, (0.1, 1.0, math.inf), 1.5) == (
        "From 1,234 failures the candidate's risk may be anything from 0.1 times to any number of times the champion's; a verdict needs it "
        "to be above 1, or below 1.5, for certain."
    )
    assert said.why_open_difference((-0.01234, 0.1, 0.5678), 0.05) == (
        "The difference may be anything from -0.0123 to +0.568; a verdict needs it to be within, or beyond, 0.05 for certain."
    )
    assert said.why_open_pairs(Pairs(5, 0, 0, 7)) == (
        "Both were right or wrong together each time, so nothing tells them apart yet."
    )
    assert said.why_open_pairs(Pairs(5, 1_230, 1_400, 7)) == (
        "Of 2,630 pairs with one right answer the candidate lost 1,230: that may still be chance."
    )
    assert said.why_open_pairs(Pairs(5, 4, 4, 7)) == (
        "Of 8 pairs with one right answer the candidate lost 4: that may still be chance."
    )
    assert said.unlike_coverage(0.6875, 0.75) == (
        "68.75% of the candidate's predictions that are old enough have labels, 75.00% of the champion's: labels that are missing for "
        "different reasons make the arms incomparable."
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Outcome.FAIL, "worse. {}: at least 1.3 times the champion's risk, more than chance explains."),
        (Outcome.PASS, "good enough. {}: at most 4.8 times the champion's risk, below the limit of 2.5 times."),
        (Outcome.INCONCLUSIVE, "not decided. {}. " + MORE.format("requests")),
    ],
)
def test_of_failures(found, words):
    measured = "1.00% of the candidate's requests against 0.40% of the champion's"

    sentence = said.failures("Errors", found, (0.004, 0.01), (1.3, 2.5, 4.8), margin=2.5, more=1_234, reason="No.")

    assert sentence == f"Errors: {words.format(measured)}"


def test_without_a_value_of_either_arm_the_reason_is_all_there_is_to_say():
    ratio, no_data = (1.0, 2.0, 3.0), Outcome.NO_DATA
    for values, known in (((None, 0.1), ratio), ((0.1, None), ratio), ((0.1, 0.2), None)):
        assert said.failures("Errors", no_data, values, known, margin=2, more=1, reason="No.") == "Errors: no data. No."
    for values in ((None, 0.1), (0.1, None)):
        told = said.pairs("Right", no_data, Pairs(1, 2, 3, 4), values, margin=2, more=1, reason="No.")
        assert told == "Right: no data. No."
    assert said.agreement("Alike", no_data, None, at_least=0.9, more=1, reason="No.") == "Alike: no data. No."


@pytest.mark.parametrize(
    ("found", "higher", "words"),
    [
        (Outcome.FAIL, True, "worse (lower) by more than the 0.05 allowed. {}."),
        (Outcome.FAIL, False, "worse (higher) by more than the 0.05 allowed. {}."),
        (Outcome.FAIL, None, "off by more than the 0.05 allowed. {}."),
        (Outcome.PASS, True, "good enough. {}, which is within the 0.05 allowed."),
        (Outcome.INCONCLUSIVE, True, "not decided. {}; 0.05 is allowed. " + MORE.format("pairs")),
    ],
)
def test_of_a_difference(found, higher, words):
    measured = "The candidate differs by +0.0123 (-0.123 to +0.148)"
    bounds = -0.12345, 0.0123, 0.1481

    sentence = said.difference(
        "Score", found, bounds, allowed=0.05, higher_is_better=higher, more=1_234, what="pairs", reason="No."
    )

    assert sentence == f"Score: {words.format(measured)}"


@pytest.mark.parametrize(("found", "words"), [(Outcome.NO_DATA, "no data"), (Outcome.INCONCLUSIVE, "not decided")])
def test_of_a_difference_without_an_interval(found, words):
    sentence = said.difference(
        "Score", found, None, allowed=0.05, higher_is_better=True, more=1, what="pairs", reason="Too few."
    )

    assert sentence == f"Score: {words}. Too few."


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Outcome.FAIL, "worse. {}, more than chance explains."),
        (Outcome.PASS, "good enough. {}, less than 2.5 lost for each won."),
        (Outcome.INCONCLUSIVE, "not decided. {}. " + MORE.format("pairs")),
    ],
)
def test_of_pairs(found, words):
    measured = "Right on 62.50% of the same 12,000 requests, the champion on 70.83%: where one alone was right, the candidate won 1,500 and lost 2,500"
    values = 8_500 / 12_000, 7_500 / 12_000

    sentence = said.pairs(
        "Accuracy", found, Pairs(6_000, 2_500, 1_500, 2_000), values, margin=2.5, more=1_234, reason="No."
    )

    assert sentence == f"Accuracy: {words.format(measured)}"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Outcome.FAIL, "too far apart. {}, and chance does not explain the gap."),
        (Outcome.PASS, "near enough. {}, and chance does not explain the surplus."),
        (Outcome.INCONCLUSIVE, "not decided. {}. " + MORE.format("pairs")),
    ],
)
def test_of_deciding_alike(found, words):
    measured = "Both decide alike on 97.65% of the same requests; 98.00% is asked for"

    sentence = said.agreement("Alike", found, 0.9765, at_least=0.98, more=1_234, reason="No.")

    assert sentence == f"Alike: {words.format(measured)}"


def test_what_is_not_decided_tells_its_own_numbers():
    """The counts, shares and bounds that stand in a verdict stand in its sentence and its reason."""
    spread = Sample(2_000, 1_000.0, 520.0), Sample(2_000, 900.0, 425.0)
    failures = judge_failures("Errors", [Origin(0.5, 12, 10)], Exposure(6_000, 6_000), alpha=ALPHA, margin=2.5)
    means = judge_mean("Score", *spread, alpha=ALPHA, allowed=0.05, higher_is_better=True)
    pairs = judge_pairs("Accuracy", Pairs(800, 70, 50, 80), alpha=ALPHA)
    alike = judge_agreement("Alike", 1_000, 975, alpha=ALPHA, at_least=0.98)

    low, high = failures.ratio[0], failures.ratio[2]
    assert failures.reason == (
        f"From 22 failures the candidate's risk may be anything from {low:.2g} times to {high:.2g} times the champion's; a verdict needs it "
        "to be above 1, or below 2.5, for certain."
    )
    assert failures.sentence == (
        "Errors: not decided. 0.20% of the candidate's requests against 0.17% of the champion's. "
        f"About {two_digits(failures.expected_more)} more requests are expected to decide it."
    )
    low, estimate, high = means.difference
    assert means.reason == (
        f"The difference may be anything from {low:+.3g} to {high:+.3g}; a verdict needs it to be within, or beyond, 0.05 for certain."
    )
    assert means.sentence == (
        f"Score: not decided. The candidate differs by {estimate:+.3g} ({low:+.3g} to {high:+.3g}); 0.05 is allowed. {NEVER}"
    )
    assert pairs.reason == "Of 120 pairs with one right answer the candidate lost 70: that may still be chance."
    assert pairs.sentence == (
        "Accuracy: not decided. Right on 85.00% of the same 1,000 requests, the champion on 87.00%: where one alone was right, the candidate "
        f"won 50 and lost 70. About {two_digits(pairs.expected_more)} more pairs are expected to decide it."
    )
    assert alike.reason == "97.50% is too near to the 98.00% asked for."
    assert alike.sentence == (
        "Alike: not decided. Both decide alike on 97.50% of the same requests; 98.00% is asked for. "
        f"About {two_digits(alike.expected_more)} more pairs are expected to decide it."
    )


def test_what_is_decided_needs_no_reason():
    failures = judge_failures("Errors", [Origin(0.5, 60, 60)], Exposure(6_000, 6_000), alpha=ALPHA, margin=2.5)
    pairs = judge_pairs("Accuracy", Pairs(800, 70, 50, 80), alpha=ALPHA, margin=2.5)
    alike = judge_agreement("Alike", 1_000, 995, alpha=ALPHA, at_least=0.98)

    for verdict in (failures, pairs, alike):
        assert (verdict.outcome, verdict.reason, verdict.expected_more) == (Outcome.PASS, "", 0)
    assert failures.sentence.endswith("below the limit of 2.5 times.")
    assert pairs.sentence.endswith("the candidate won 50 and lost 70, less than 2.5 lost for each won.")
