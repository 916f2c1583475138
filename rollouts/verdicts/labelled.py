"""Quality from labels that come late."""

import math
from dataclasses import replace

from rollouts.verdicts import sentences
from rollouts.verdicts.means import Difference, interval
from rollouts.verdicts.sequences import MIN_VALUES
from rollouts.verdicts.verdict import Coverage, Outcome, Verdict

TOLERANCE = 0.02  # share of predictions: coverage that differs by less does no harm worth a delay
COVERAGE_ALPHA = 0.01


def judge_labelled(judged: Verdict, coverage: Coverage, *, tolerance: float = TOLERANCE) -> Verdict:
    """Return a verdict on labelled predictions, or *no data* where the arms have not the same share of labels.

    Labels are seldom missing by chance: a payment that was refused never gets one. An arm with fewer labels is measured on other
    cases. So the arms' shares of labelled predictions are held to be equal until that is rejected, by a difference of two
    proportions whose interval holds at all times (level :data:`COVERAGE_ALPHA` on either side), and differs by more than ``tolerance``.

    Args:
        judged: by :func:`judge_mean` or :func:`judge_failures`, of labelled predictions that are older than the maturity cut-off in
            both arms; younger ones must not be counted, since labels of one kind may come sooner.
        coverage: of all predictions older than the cut-off.
        tolerance: difference of shares, 0 to 1.

    Raises:
        ValueError: an argument lies outside its range.
    """
    if not 0 <= tolerance < 1:
        raise ValueError(f"{tolerance=} lies outside [0, 1).")
    n, m = coverage.champion_answered, coverage.canary_answered
    if not (coverage.champion_labelled and coverage.canary_labelled):
        arm = "candidate" if not coverage.canary_labelled else "champion"
        return _no_data(judged, f"No prediction of the {arm} that is old enough has a label yet.")
    champion, canary = coverage.champion_labelled / n, coverage.canary_labelled / m
    if abs(canary - champion) > tolerance and min(n, m) >= MIN_VALUES:
        pooled = (coverage.champion_labelled + coverage.canary_labelled) / (n + m)
        error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        low, _, high = interval(Difference(canary - champion, error, n + m), COVERAGE_ALPHA, COVERAGE_ALPHA)
        if low > 0 or high < 0:
            return _no_data(judged, sentences.unlike_coverage(canary, champion))
    return judged


def _no_data(judged: Verdict, reason: str) -> Verdict:
    return replace(
        judged,
        outcome=Outcome.NO_DATA,
        expected_more=None,
        reason=reason,
        sentence=f"{judged.metric}: no data. {reason}",
    )
