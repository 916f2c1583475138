"""Errors, timeouts, guardrail hits, requests that took too long: whatever a request does or does not do."""

from collections.abc import Sequence

from rollouts.verdicts import sentences
from rollouts.verdicts.origins import evidence, risk_ratio, tally
from rollouts.verdicts.verdict import Exposure, Origin, Outcome, Verdict, outcome, thresholds
from rollouts.verdicts.waiting import requests_more


def judge_failures(
    metric: str, origins: Sequence[Origin], exposure: Exposure, *, alpha: float, margin: float = 2.0,
    alpha_pass: float | None = None, late: float = 0.0,
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
        late: share of the prior that is kept for harm that begins with a later part of the rollout, in [0, 1). Without it a long good
            time must be made up for first. Fixed before the rollout: 0.1 costs 0.1 of log E.

    Raises:
        ValueError: an argument lies outside its range.
    """
    limits = thresholds(alpha, alpha_pass)
    if not margin > 1:
        raise ValueError(f"{margin=}: a pass excludes a risk ratio above 1.")
    counts = tally(origins, late=late)
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


def _rate(failures: int, requests: int) -> float | None:
    return failures / requests if requests else None
