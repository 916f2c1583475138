"""Criteria and results in plain words: exact sentences, and that no rounding turns a miss into a hit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.criteria import METRIC_LABELS, CheckStatus, Measured, margin
from registry.metric_words import WORDS, Nouns
from registry.plain_words.results import plain, weakest_part
from registry.plain_words.rules import Rule, target_words

FLIGHTS = Nouns("flights", "late flights")


def put(rule, status, *measured, **known):
    return plain(rule, status, Measured(*measured) if measured else None, nouns=FLIGHTS, **known)


def test_every_metric_that_criteria_can_ask_for_is_described():
    assert WORDS.keys() >= METRIC_LABELS.keys()


@pytest.mark.parametrize("metric", WORDS)
def test_sentences_name_cases_and_events_of_the_model_alone(metric):
    for against in (False, True):
        shown = put(Rule(metric, True, 0.4, against_champion=against), CheckStatus.PASSED, 0.43, 0.41, 0.45)
        assert "{" not in f"{shown}"


def test_average_precision_as_a_natural_frequency():
    shown = put(
        Rule("average_precision", True, 0.4, by_interval=True), CheckStatus.PASSED, 0.431, 0.412, 0.452, champion=0.39
    )

    assert shown.question == "Of the flights it flags, are enough really late flights?"
    assert (shown.figure, shown.unit, shown.target) == ("43", "of 100 flagged flights", "target 40")
    assert (shown.mark, shown.state) == ("pass", "On target")
    assert shown.meaning == (
        "Out of 100 flights flagged, about 43 were late flights, averaged over all levels of strictness. "
        "The target is at least 40."
    )
    assert shown.range == (
        "A trial is never exact: in truth it could be as low as 41, or as good as 45. "
        "The careful end of that is held to the rule."
    )
    assert shown.today == "The version in use today reaches 39."
    assert (shown.gauge.value, shown.gauge.target, shown.gauge.left, shown.gauge.right) == (43.1, 40.0, "0", "100")


def test_limit_knows_its_direction():
    shown = put(Rule("calibration_error", False, 0.03), CheckStatus.FAILED, 0.0412, 0.03, 0.05)

    assert (shown.mark, shown.state, shown.target) == ("fail", "Over the limit", "limit 3")
    assert "as high as 5.0, or as good as 3.0" in shown.range
    assert shown.gauge.right == "5"


def test_result_that_chance_alone_carried_over_the_target_says_so():
    shown = put(Rule("recall_at_5pct_alerts", True, 0.25, by_interval=True), CheckStatus.FAILED, 0.2712, 0.2496, 0.2931)

    assert (shown.figure, shown.state) == ("27", "Below target")
    assert "as low as 24.96" in shown.range
    assert "chance alone may have carried the result over" in shown.range


@pytest.mark.parametrize(
    ("value", "figure", "sentence"),
    [
        (0.031, "+3.1", "about 3.1 more were late flights than with the version in use"),
        (-0.011, "\N{MINUS SIGN}1.1", "about 1.1 fewer were late flights than with the version in use"),
        (0.0, "0.0", "There is no difference to the version in use."),
    ],
)
def test_comparison_with_the_version_in_use(value, figure, sentence):
    shown = put(Rule("average_precision", True, 0.0, against_champion=True), CheckStatus.PASSED, value)

    assert shown.question.startswith("Is it better than the version in use?")
    assert shown.figure == figure
    assert sentence in shown.meaning
    assert shown.target == "target: no change"


@pytest.mark.parametrize(
    ("status", "blocking", "mark", "state"),
    [
        (CheckStatus.FAILED, True, "fail", "Below target"),
        (CheckStatus.FAILED, False, "warn", "Below target, only advice"),
        (CheckStatus.PASSED, True, "pass", "On target"),
        (CheckStatus.WAIVED, True, "warn", "Below target, but excused"),
        (CheckStatus.STALE, True, "skipped", "Out of date"),
    ],
)
def test_states(status, blocking, mark, state):
    shown = put(Rule("roc_auc", True, 0.7, blocking=blocking), status, 0.65)

    assert (shown.mark, shown.state) == (mark, state)


def test_nothing_measured_says_what_happens_next():
    shown = put(Rule("recall_at_5pct_alerts", True, 0.2, data_slice="origin=JFK"), CheckStatus.NOT_MEASURED)

    assert shown.question == "Among flights where origin is JFK: does it catch enough of the late flights?"
    assert (shown.figure, shown.gauge, shown.state) == ("", None, "Not measured yet")
    assert shown.meaning == (
        "Nobody knows yet: it was not tried. An engineer starts an evaluation. Until then it cannot be promoted."
    )


def test_first_champion_has_nothing_to_be_compared_with():
    shown = put(Rule("average_precision", True, 0.0, against_champion=True), CheckStatus.NOT_APPLICABLE)

    assert shown.state == "Nothing to compare with"
    assert "none is in use yet" in shown.meaning


def test_metric_that_nobody_described_is_put_by_its_bare_number():
    shown = put(Rule("rmse_minutes", False, 12.5), CheckStatus.FAILED, 13.25)

    assert shown.question == "Is it good enough by the measure “Rmse minutes”?"
    assert shown.meaning == "The measure “Rmse minutes” gave 13. The limit is 12.5."


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (Rule("average_precision", True, 0.4, by_interval=True, data_set="flights-2013"),
         "At least 40 of 100 flagged flights, even if chance flattered the measurement, measured on flights-2013."),
        (Rule("calibration_error", False, 0.025), "At most 2.5 in 100 beside the truth."),
        (Rule("average_precision", True, 0.0, against_champion=True), "No worse than the version in use."),
        (Rule("average_precision", True, 0.02, against_champion=True),
         "Better than the version in use by at least 2 of 100 flagged flights."),
        (Rule("average_precision", True, -0.02, against_champion=True),
         "Worse than the version in use by at most 2 of 100 flagged flights."),
        (Rule("brier_score", False, 0.01, against_champion=True),
         "Worse than the version in use by at most 1 penalty points of 100."),
        (Rule("recall_at_5pct_alerts", True, 0.2, data_slice="origin=JFK"),
         "At least 20 of 100 late flights, counting only flights where origin is JFK."),
    ],
)  # fmt: skip
def test_what_a_criterion_asks_for(rule, sentence):
    assert target_words(rule, FLIGHTS) == sentence


def test_weakest_part():
    said = weakest_part(Rule("recall_at_5pct_alerts", True, 0.25), 0.231, "origin=JFK", 3, "flights")

    assert said == (
        "It does worst among flights where origin is JFK: 23, short of the target of 25 for all. "
        "3 parts of the data were looked at."
    )


shares = st.floats(0.0001, 0.9999).map(lambda share: round(share, 6))


@given(st.sampled_from(sorted(METRIC_LABELS)), shares, shares, st.booleans())
def test_no_rounding_turns_a_miss_into_a_hit(metric, value, threshold, at_least):
    rule = Rule(metric, at_least, threshold)
    shown = plain(rule, CheckStatus.PASSED, Measured(value), nouns=FLIGHTS)

    said, asked = (float(text.replace(",", "")) for text in (shown.figure, re.sub(r"[a-z ]", "", shown.target)))
    met = margin(Measured(value), threshold=threshold, at_least=at_least, by_interval=False) >= 0
    # The target itself is shown to within half a per cent; what lies nearer to it than that is shown just as fine.
    if abs(value - threshold) > 0.01 * threshold:
        assert (said >= asked if at_least else said <= asked) == met


@given(shares, shares, shares)
def test_everything_on_the_gauge_lies_on_it(value, threshold, spread):
    low, high = max(0.0, value - spread), min(1.0, value + spread)
    gauge = plain(Rule("roc_auc", True, threshold), CheckStatus.PASSED, Measured(value, low, high), nouns=FLIGHTS).gauge

    assert 0 <= gauge.value_from <= gauge.value <= 100
    assert 0 <= gauge.target <= 100
    assert 0 <= gauge.low <= gauge.high <= 100
