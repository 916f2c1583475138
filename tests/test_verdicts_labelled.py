"""Labels that come late, and may be missing unevenly."""

import pytest

from rollouts.verdicts import Coverage, Exposure, Origin, Outcome, judge_failures, judge_labelled

JUDGED = judge_failures("Wrong", [Origin(0.5, 60, 60)], Exposure(6_000, 6_000), alpha=0.05)


@pytest.mark.parametrize(
    "coverage",
    [
        Coverage(8_000, 6_000, 8_000, 6_000),
        Coverage(8_000, 6_000, 8_000, 5_850),  # rejected, but within the tolerance
        Coverage(200, 150, 200, 140),  # beyond the tolerance, but by chance
        Coverage(99, 90, 99, 10),  # too few to tell
    ],
)
def test_labels_that_are_missing_alike_leave_the_verdict(coverage):
    assert judge_labelled(JUDGED, coverage) is JUDGED


@pytest.mark.parametrize(
    ("coverage", "reason"),
    [
        (Coverage(8_000, 6_000, 8_000, 5_500), "68.75% of the candidate's predictions"),
        (Coverage(8_000, 5_500, 8_000, 6_000), "75.00% of the candidate's predictions"),
        (Coverage(8_000, 0, 8_000, 6_000), "No prediction of the champion that is old enough has a label yet."),
        (Coverage(8_000, 6_000, 0, 0), "No prediction of the candidate that is old enough has a label yet."),
    ],
)
def test_labels_that_are_missing_unevenly_are_no_data(coverage, reason):
    verdict = judge_labelled(JUDGED, coverage)

    assert verdict.outcome is Outcome.NO_DATA
    assert verdict.reason.startswith(reason)
    assert verdict.reason.endswith("has a label yet." if "No prediction" in reason else "make the arms incomparable.")
    assert verdict.sentence == f"Wrong: no data. {verdict.reason}"
    assert verdict.expected_more is None
    assert verdict.evidence_for == JUDGED.evidence_for


def test_both_shares_are_told_where_labels_are_missing_unevenly():
    assert judge_labelled(JUDGED, Coverage(8_000, 6_000, 8_000, 5_500)).reason == (
        "68.75% of the candidate's predictions that are old enough have labels, 75.00% of the champion's: labels that are missing for "
        "different reasons make the arms incomparable."
    )


def test_shares_that_differ_by_just_what_is_tolerated_are_tolerated():
    half_and_a_quarter = Coverage(8_192, 4_096, 8_192, 2_048)  # powers of two: 0.25 is not rounded

    assert judge_labelled(JUDGED, half_and_a_quarter, tolerance=0.25) is JUDGED
    assert judge_labelled(JUDGED, half_and_a_quarter, tolerance=0.2499).outcome is Outcome.NO_DATA


def test_100_predictions_of_either_arm_are_enough_to_tell():
    assert judge_labelled(JUDGED, Coverage(100, 90, 100, 10)).outcome is Outcome.NO_DATA
    assert judge_labelled(JUDGED, Coverage(100, 90, 99, 10)) is JUDGED


def test_labels_that_become_rarer_during_a_ramp_are_missing_alike():
    """Nine in ten have labels while the canary answers a tenth, six in ten while it answers a half."""
    by_weight = [Coverage(9_000, 8_100, 1_000, 900), Coverage(5_000, 3_000, 5_000, 3_000)]
    pooled = Coverage(14_000, 11_100, 6_000, 3_900)

    assert judge_labelled(JUDGED, by_weight) is JUDGED
    assert judge_labelled(JUDGED, pooled).outcome is Outcome.NO_DATA


def test_without_coverage_there_are_no_labels():
    assert judge_labelled(JUDGED, []).outcome is Outcome.NO_DATA


def test_the_tolerance_can_be_set():
    coverage = Coverage(80_000, 60_000, 80_000, 59_000)

    assert judge_labelled(JUDGED, coverage) is JUDGED
    assert judge_labelled(JUDGED, coverage, tolerance=0.01).outcome is Outcome.NO_DATA
    assert judge_labelled(JUDGED, coverage, tolerance=0).outcome is Outcome.NO_DATA
    with pytest.raises(ValueError, match="tolerance=1"):
        judge_labelled(JUDGED, coverage, tolerance=1)


@pytest.mark.parametrize("bad", [(1, 2, 1, 1), (1, 1, 1, 2), (1, -1, 1, 1)])
def test_labelled_predictions_are_some_of_those_answered(bad):
    with pytest.raises(ValueError, match="some of those answered"):
        Coverage(*bad)


@pytest.mark.parametrize("sound", [(1, 0, 1, 0), (1, 1, 1, 1)])
def test_none_or_all_of_those_answered_may_have_labels(sound):
    assert Coverage(*sound).champion_answered == 1
