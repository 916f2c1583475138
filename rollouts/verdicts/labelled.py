"""Quality from labels that come late."""

from collections.abc import Sequence
from dataclasses import replace

from rollouts.verdicts import sentences
from rollouts.verdicts.means import between, interval
from rollouts.verdicts.sequences import MIN_VALUES
from rollouts.verdicts.verdict import Coverage, Outcome, Sample, Verdict

TOLERANCE = 0.02  # share of predictions: coverage that differs by less does no harm worth a delay
COVERAGE_ALPHA = 0.01


def judge_labelled(
    judged: Verdict, coverage: Coverage | Sequence[Coverage], *, tolerance: float = TOLERANCE
) -> Verdict:
    """Return a verdict on labelled predictions, or *no data* where the arms have not the same share of labels.

    Labels are seldom missing by chance: a payment that was refused never gets one. An arm with fewer labels is measured on other
    cases. So the arms' shares of labelled predictions are held to be equal until that is rejected, by a difference of two
    proportions whose interval holds at all times (level :data:`COVERAGE_ALPHA` on either side), and differs by more than ``tolerance``.

    Args:
        judged: by :func:`judge_mean` or :func:`judge_failures`, of labelled predictions that are older than the maturity cut-off in
            both arms; younger ones must not be counted, since labels of one kind may come sooner.
        coverage: of all predictions older than the cut-off; one for each weight that was in force, since labels may become rarer while
            the canary grows.
        tolerance: difference of shares, 0 to 1.

    Raises:
        ValueError: an argument lies outside its range.
    """
    if not 0 <= tolerance < 1:
        raise ValueError(f"{tolerance=} lies outside [0, 1).")
    parts = [coverage] if isinstance(coverage, Coverage) else list(coverage)
    champion = [Sample(one.champion_answered, one.champion_labelled, one.champion_labelled) for one in parts]
    canary = [Sample(one.canary_answered, one.canary_labelled, one.canary_labelled) for one in parts]
    totals = [sum(arm, Sample(0, 0.0, 0.0)) for arm in (champion, canary)]
    shares = [arm.mean or 0.0 for arm in totals]
    if not all(shares):
        arm = "champion" if shares[1] else "candidate"
        return _no_data(judged, f"No prediction of the {arm} that is old enough has a label yet.")
    apart = between(champion, canary)
    if abs(apart.estimate) > tolerance and min(arm.n for arm in totals) >= MIN_VALUES:
        low, _, high = interval(apart, COVERAGE_ALPHA, COVERAGE_ALPHA)
        if low > 0 or high < 0:
            return _no_data(judged, sentences.unlike_coverage(shares[1], shares[0]))
    return judged


def _no_data(judged: Verdict, reason: str) -> Verdict:
    return replace(
        judged,
        outcome=Outcome.NO_DATA,
        expected_more=None,
        reason=reason,
        sentence=f"{judged.metric}: no data. {reason}",
    )
