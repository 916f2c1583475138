"""Errors, timeouts, guardrail hits, requests that took too long: whatever a request does or does not do."""

import math
from collections.abc import Sequence

import numpy as np

from rollouts.verdicts import sentences
from rollouts.verdicts.origins import Tally, evidence, log_evidence, risk_ratio, tally
from rollouts.verdicts.verdict import Exposure, Origin, Outcome, Verdict, outcome, thresholds

UNREALISTIC = 10_000_000  # requests; nobody waits for more
_AHEAD = np.geomspace(1, UNREALISTIC, 400)


def judge_failures(
    metric: str, origins: Sequence[Origin], exposure: Exposure, *, alpha: float, margin: float = 2.0,
    alpha_pass: float | None = None,
) -> Verdict:  # fmt: skip
    """Judge a metric of the error type by where its failures came from (:mod:`rollouts.verdicts.origins`).

    *Fail*: the candidate fails more often than the champion; said wrongly of an equal or better one in at most ``alpha`` of all
    rollouts, however often one looks. *Pass*: it fails less than ``margin`` times as often; said wrongly of one that does not in at most
    ``alpha_pass``. Where both hold (it is worse, by less than the margin) it fails.

    Args:
        metric: its name, as the sentence begins with it.
        origins: failures by the weight in force, in any order and portions; the last one's weight is taken as the present one. Failures
            of different weights must not be pooled into one: the weight is what tells how surprising an origin is.
        exposure: requests of either arm; the evidence rests on the origins alone.
        margin: risk ratio that a pass excludes, above 1.
        alpha_pass: the level for a pass, ``alpha`` if left out. Where *all* guardrails must pass, each may be tested at the whole
            level (Berger, Technometrics 24 (1982), intersection-union tests); where *any* may fail, the level is split.

    Raises:
        ValueError: an argument lies outside its range.
    """
    limits = thresholds(alpha, alpha_pass)
    if not margin > 1:
        raise ValueError(f"{margin=}: a pass excludes a risk ratio above 1.")
    counts = tally(origins)
    failed = sum(origin.canary for origin in origins), sum(origin.champion for origin in origins)
    if failed[0] > exposure.canary or failed[1] > exposure.champion:
        raise ValueError(f"{metric}: more failures {failed} than requests {exposure}.")
    against, in_favour = evidence(counts, margin)
    values = _rate(failed[1], exposure.champion), _rate(failed[0], exposure.canary)
    if None in values:
        arm = "canary" if not exposure.canary else "champion"
        found, reason, more, ratio = Outcome.NO_DATA, sentences.no_requests(arm), None, None
    else:
        found = outcome(against, in_favour, limits)
        more = 0 if found is not Outcome.INCONCLUSIVE else None
        if more is None and origins:
            more = requests_more(counts, origins[-1].weight, exposure.total, margin=margin, limits=limits)
        ratio = risk_ratio(counts, limits)
        reason = sentences.why_open_failures(sum(failed), ratio, margin) if found is Outcome.INCONCLUSIVE else ""
    return Verdict(
        metric=metric,
        outcome=found,
        champion=values[0],
        canary=values[1],
        difference=None,
        evidence_against=against,
        evidence_for=in_favour,
        threshold=limits[0],
        n=exposure.total,
        expected_more=more,
        sentence=sentences.failures(metric, found, values, ratio, margin=margin, more=more, reason=reason),
        reason=reason,
        ratio=ratio,
        pass_threshold=limits[1],
    )


def requests_more(
    counts: Tally, weight: float, requests: int, *, margin: float, limits: tuple[float, float]
) -> int | None:
    """Return requests until the first of both verdicts, if risk, ratio and weight stay as they are.

    The failures to come are put at their expected counts; the ratio is estimated with half a failure more in each arm.

    Returns: None without a failure so far, or beyond :data:`UNREALISTIC`.
    """
    failures = float(counts.failures[-1].sum())
    if not failures:
        return None
    canary = float(counts.canary[-1])
    ratio = _smoothed_ratio(counts)
    ahead = _AHEAD * failures / requests
    counts = _with(counts, weight, ahead, canary, weight * ratio / (weight * ratio + 1 - weight))
    return _first((log_evidence(counts, 1.0) >= limits[0]) | (log_evidence(counts, margin, below=True) >= limits[1]))


def requests_to_pass(*, base_rate: float, weight: float, alpha: float, margin: float = 2.0) -> int | None:
    """Return the requests of both arms that a pass is expected to take of a candidate as good as the champion.

    Args:
        base_rate: share of the champion's requests that fail, in [0, 1].
        weight: the canary's share of the traffic, in (0, 1).
        alpha: the level that a pass is tested at.
        margin: risk ratio that a pass excludes, above 1.

    Returns: about the median; None where it lies beyond :data:`UNREALISTIC`.
    """
    return _from_nothing(base_rate, weight, 1.0, alpha, null=margin, below=True)


def requests_to_fail(*, base_rate: float, ratio: float, weight: float, alpha: float) -> int | None:
    """Return the requests of both arms after which a candidate that fails ``ratio`` times as often is expected to be found out.

    Returns: about the median; None where it lies beyond :data:`UNREALISTIC`, and for a ratio too near 1 to be found at all.
    """
    return _from_nothing(base_rate, weight, ratio, alpha, null=1.0, below=False)


def _from_nothing(
    base_rate: float, weight: float, ratio: float, alpha: float, *, null: float, below: bool
) -> int | None:
    (limit, _) = thresholds(alpha, None)
    if not (0 <= base_rate <= 1 and 0 < weight < 1 and ratio > 0 and null > 0):
        raise ValueError(f"{base_rate=} {weight=} {ratio=}")
    risks = base_rate * (1 - weight), min(1.0, base_rate * ratio) * weight
    if not sum(risks):
        return None
    counts = _with(tally([]), weight, _AHEAD * sum(risks), 0.0, risks[1] / sum(risks))
    return _first(log_evidence(counts, null, below=below) >= limit)


def _with(counts: Tally, weight: float, ahead: "np.ndarray", canary: float, share: float) -> Tally:
    """Return the last look with ``ahead`` (T,) more failures at ``weight``, of which ``share`` are the canary's."""
    known = counts.failures[-1] if counts.weights.size else np.empty(0)
    failures = np.column_stack([np.broadcast_to(known, (ahead.size, known.size)), ahead])
    return Tally(np.append(counts.weights, weight), canary + ahead * share, failures)


def _first(reached: "np.ndarray") -> int | None:
    return math.ceil(_AHEAD[reached.argmax()]) if reached.any() else None


def _smoothed_ratio(counts: Tally) -> float:
    half = Tally(counts.weights, counts.canary + 0.5, counts.failures + 1 / counts.weights.size)
    return risk_ratio(half, (math.inf, math.inf))[1]


def _rate(failures: int, requests: int) -> float | None:
    return failures / requests if requests else None
