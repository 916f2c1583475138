"""Numeric metrics: scores, cost, quality. Differences of means with intervals that hold at all times."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rollouts.verdicts import sentences
from rollouts.verdicts.sequences import MIN_VALUES, critical, log_evidence
from rollouts.verdicts.verdict import Interval, Outcome, Sample, Verdict, outcome, thresholds

UNREALISTIC = 10_000_000  # values of both arms; nobody waits for more
_AHEAD = [int(n) for n in np.geomspace(1, UNREALISTIC, 200).round()]


@dataclass(frozen=True)
class Difference:
    """An estimated difference of means with its standard error, after ``n`` values (or pairs)."""

    estimate: float
    error: float
    n: int


def judge_mean(
    metric: str, champion: Sample | Sequence[Sample], canary: Sample | Sequence[Sample], *, alpha: float, allowed: float,
    higher_is_better: bool | None, alpha_pass: float | None = None,
) -> Verdict:  # fmt: skip
    """Judge a numeric metric by an asymptotic confidence sequence (:mod:`rollouts.verdicts.sequences`).

    *Fail*: the candidate's mean is worse by more than ``allowed``. *Pass*: it is worse by less than that, or better. Each is said
    wrongly in at most alpha of all rollouts, asymptotically, however often one looks. Between them: *inconclusive*.

    Args:
        champion, canary: one sample of each, or one each for every weight that was in force, in the same order: means are then
            compared within a weight only. Pooled, a mean that drifts while the canary grows would look like a difference.
        allowed: how much worse the candidate may be, in the metric's unit, at least 0.
        higher_is_better: None where a difference in either direction is worse.
        alpha_pass: the level for a pass, ``alpha`` if left out.

    Raises:
        ValueError: an argument lies outside its range, or the arms have not as many samples.
    """
    arms = [[one] if isinstance(one, Sample) else list(one) for one in (champion, canary)]
    if len(arms[0]) != len(arms[1]):
        raise ValueError(f"{metric}: {len(arms[0])} samples of the champion, {len(arms[1])} of the canary.")
    totals = [sum(arm, Sample(0, 0.0, 0.0)) for arm in arms]
    return _judge(
        metric, (totals[0].mean, totals[1].mean), between(arms[0], arms[1]), _too_few(totals[0].n, totals[1].n),
        alpha=alpha, alpha_pass=alpha_pass, allowed=allowed, higher_is_better=higher_is_better, what="requests",
    )  # fmt: skip


def judge_differences(
    metric: str, difference: Sample, *, alpha: float, allowed: float, higher_is_better: bool | None,
    alpha_pass: float | None = None, values: tuple[float | None, float | None] = (None, None),
) -> Verdict:  # fmt: skip
    """Judge the candidate's score minus the champion's on the same requests; words and levels as in :func:`judge_mean`.

    Args:
        values: the means of champion and candidate, where they are known.
    """
    few = "" if difference.n >= MIN_VALUES else _few("pairs", difference.n)
    return _judge(
        metric, values, within(difference), few, alpha=alpha, alpha_pass=alpha_pass, allowed=allowed,
        higher_is_better=higher_is_better, what="pairs",
    )  # fmt: skip


def between(champion: Sequence[Sample], canary: Sequence[Sample]) -> Difference:
    """Return canary minus champion, weighting strata by n m / (n + m), which is best where variances are alike.

    The weights depend on the counts alone; strata without two values in each arm are left out.
    """
    sums = np.zeros(3)
    n = sum(one.n for one in (*champion, *canary))
    for one, other in zip(champion, canary, strict=True):
        if min(one.n, other.n) < 2:
            continue
        weight = one.n * other.n / (one.n + other.n)
        gap = other.total / other.n - one.total / one.n
        sums += weight, weight * gap, weight**2 * (one.variance / one.n + other.variance / other.n)
    if not sums[0]:
        return Difference(0.0, 0.0, n)
    return Difference(float(sums[1] / sums[0]), math.sqrt(float(sums[2])) / float(sums[0]), n)


def within(difference: Sample) -> Difference:
    """Return the mean of differences."""
    return Difference(difference.mean or 0.0, math.sqrt(difference.variance / max(difference.n, 1)), difference.n)


def interval(difference: Difference, low: float, high: float) -> Interval:
    """Return low, estimate, high: each bound holds at all times with probability 1 - ``low`` and 1 - ``high``."""
    reach = [critical(difference.n, level) * difference.error for level in (low, high)]
    return difference.estimate - reach[0], difference.estimate, difference.estimate + reach[1]


def _judge(
    metric: str, values: tuple[float | None, float | None], difference: Difference, few: str, *,
    alpha: float, alpha_pass: float | None, allowed: float, higher_is_better: bool | None, what: str,
) -> Verdict:  # fmt: skip
    limits = thresholds(alpha, alpha_pass)
    levels = alpha, alpha if alpha_pass is None else alpha_pass
    if not (allowed >= 0 and math.isfinite(allowed)) or (higher_is_better is None and not allowed):
        raise ValueError(
            f"{metric}: {allowed=}: a difference that is allowed is not negative, and in both directions above 0."
        )
    against = in_favour = 0.0
    found, bounds, more, reason = Outcome.INCONCLUSIVE, None, None, few
    if not difference.n or (None in values and what == "requests"):
        found = Outcome.NO_DATA
    elif not few and not difference.error:
        reason = "The values do not vary, so what chance does to them is unknown."
    elif not few:
        against, in_favour = _evidence(difference, levels, allowed, higher_is_better)
        bounds = interval(difference, *_bound_levels(levels, higher_is_better))
        found = outcome(against, in_favour, limits)
        if found is Outcome.INCONCLUSIVE:
            more = _more(difference, levels, allowed, higher_is_better)
            reason = sentences.why_open_difference(bounds, allowed)
        else:
            more = 0
    return Verdict(
        metric=metric,
        outcome=found,
        champion=values[0],
        canary=values[1],
        difference=bounds,
        evidence_against=against,
        evidence_for=in_favour,
        threshold=limits[0],
        n=difference.n,
        expected_more=more,
        sentence=sentences.difference(
            metric,
            found,
            bounds,
            allowed=allowed,
            higher_is_better=higher_is_better,
            more=more,
            what=what,
            reason=reason,
        ),
        reason=reason,
        pass_threshold=limits[1],
    )


def _evidence(
    difference: Difference, levels: tuple[float, float], allowed: float, higher_is_better: bool | None
) -> tuple[float, float]:
    """Return log E of "worse by more than allowed" and of "not".

    In both directions, "too far off" is the mean of two e-values, one for each, and "near enough" the smaller of two.
    """

    def beyond(loss: float, level: float) -> float:
        return log_evidence((loss - allowed) / difference.error, difference.n, level)

    def inside(loss: float, level: float) -> float:
        return log_evidence((allowed - loss) / difference.error, difference.n, level)

    gap = difference.estimate
    if higher_is_better is None:
        up, down = beyond(gap, levels[0]), beyond(-gap, levels[0])
        return float(np.logaddexp(up, down)) - math.log(2), min(inside(gap, levels[1]), inside(-gap, levels[1]))
    loss = -gap if higher_is_better else gap
    return beyond(loss, levels[0]), inside(loss, levels[1])


def _bound_levels(levels: tuple[float, float], higher_is_better: bool | None) -> tuple[float, float]:
    """Return the levels of the lower and upper bound, so that they exclude what the verdict excludes."""
    fail, passing = levels
    if higher_is_better is None:
        return min(levels), min(levels)
    return (passing, fail) if higher_is_better else (fail, passing)


def _more(
    difference: Difference, levels: tuple[float, float], allowed: float, higher_is_better: bool | None
) -> int | None:
    """Return values, or pairs, until the first verdict, if the difference stays and its error shrinks as the root of n."""
    for ahead in _AHEAD:
        n = difference.n + ahead
        later = Difference(difference.estimate, difference.error * math.sqrt(difference.n / n), n)
        against, in_favour = _evidence(later, levels, allowed, higher_is_better)
        if against >= -math.log(levels[0]) or in_favour >= -math.log(levels[1]):
            return ahead
    return None


def _too_few(champion: int, canary: int) -> str:
    if not canary or not champion:
        return sentences.no_requests("champion" if canary else "canary")
    n = min(champion, canary)
    return "" if n >= MIN_VALUES else _few(f"values of the {'candidate' if canary == n else 'champion'}", n)


def _few(what: str, n: int) -> str:
    return f"Only {n} {what} so far; from {MIN_VALUES} on there is an interval."
