"""Shadow traffic: what both models answered to the same requests."""

from rollouts.verdicts import sentences
from rollouts.verdicts.means import interval, within
from rollouts.verdicts.origins import evidence, risk_ratio, tally
from rollouts.verdicts.sequences import MIN_VALUES
from rollouts.verdicts.verdict import Interval, Origin, Outcome, Pairs, Sample, Verdict, outcome, thresholds
from rollouts.verdicts.waiting import requests_more


def judge_pairs(
    metric: str, pairs: Pairs, *, alpha: float, margin: float = 2.0, alpha_pass: float | None = None
) -> Verdict:
    """Judge decisions by the pairs of which one was right: a sequential McNemar test.

    Where both are right, or both wrong, nothing tells the models apart. If they are equally good, either is the one that was right
    with probability 1/2: the origin of a failure (:mod:`rollouts.verdicts.origins`) at weight 1/2, where the one that was
    wrong is the origin. *Fail*: the candidate loses more of these pairs than it wins. *Pass*: it loses less than ``margin``
    times as many as it wins. Pairs are independent of each other: take one of each key.

    ``difference`` is that of the shares of right answers, from 100 pairs on.

    Raises:
        ValueError: an argument lies outside its range.
    Source: Q. McNemar, Psychometrika 12 (1947), made sequential by a mixture of likelihood ratios.
    """
    limits = thresholds(alpha, alpha_pass)
    if not margin > 1:
        raise ValueError(f"{margin=}: a pass excludes an odds ratio above 1.")
    counts = tally([Origin(0.5, pairs.only_champion, pairs.only_candidate)])
    against, in_favour = evidence(counts, margin)
    found, more = Outcome.NO_DATA, None
    values: tuple[float | None, float | None] = None, None
    if not pairs.n:
        reason = "No request was answered by both yet."
    else:
        found = outcome(against, in_favour, limits)
        values = (pairs.both + pairs.only_champion) / pairs.n, (pairs.both + pairs.only_candidate) / pairs.n
        more = 0
        if found is Outcome.INCONCLUSIVE:
            more = requests_more(counts, 0.5, pairs.n, margin=margin, limits=limits)
        reason = sentences.why_open_pairs(pairs) if found is Outcome.INCONCLUSIVE else ""
    return Verdict(
        metric=metric,
        outcome=found,
        champion=values[0],
        canary=values[1],
        difference=_accuracy_difference(pairs, alpha, alpha_pass),
        evidence_against=against,
        evidence_for=in_favour,
        threshold=limits[0],
        n=pairs.n,
        expected_more=more,
        sentence=sentences.pairs(metric, found, pairs, values, margin=margin, more=more, reason=reason),
        reason=reason,
        ratio=risk_ratio(counts, limits) if pairs.n else None,
        pass_threshold=limits[1],
    )


def judge_agreement(
    metric: str, pairs_n: int, agreeing: int, *, alpha: float, at_least: float, alpha_pass: float | None = None
) -> Verdict:
    """Judge whether two models decide alike on at least a given share of requests, without labels.

    The same e-process, of the odds of a pair that disagrees: at a share of exactly ``at_least`` a pair disagrees with
    probability 1 - at_least, which takes the place of the weight. *Fail*: they agree on less. *Pass*: on more. Each is said wrongly
    with probability at most alpha, at all times, exactly. Pairs are independent of each other: take one of each key.

    Args:
        pairs_n: requests answered by both (count).
        agreeing: those decided alike (count).
        at_least: share in (0, 1).

    Raises:
        ValueError: an argument lies outside its range.
    """
    limits = thresholds(alpha, alpha_pass)
    if not (0 <= agreeing <= pairs_n and 0 < at_least < 1):
        raise ValueError(f"{metric}: {agreeing=} of {pairs_n=}, {at_least=}")
    counts = tally([Origin(1 - at_least, pairs_n - agreeing, agreeing)])
    against, in_favour = evidence(counts, 1.0)
    found, more, share = Outcome.NO_DATA, None, None
    reason = "No request was answered by both yet."
    if pairs_n:
        share = agreeing / pairs_n
        found = outcome(against, in_favour, limits)
        undecided = found is Outcome.INCONCLUSIVE
        more = requests_more(counts, 1 - at_least, pairs_n, margin=1.0, limits=limits) if undecided else 0
        reason = f"{share:.2%} is too near to the {at_least:.2%} asked for." if undecided else ""
    return Verdict(
        metric=metric,
        outcome=found,
        champion=None,
        canary=share,
        difference=None,
        evidence_against=against,
        evidence_for=in_favour,
        threshold=limits[0],
        n=pairs_n,
        expected_more=more,
        sentence=sentences.agreement(metric, found, share, at_least=at_least, more=more, reason=reason),
        reason=reason,
        pass_threshold=limits[1],
    )


def _accuracy_difference(pairs: Pairs, alpha: float, alpha_pass: float | None) -> Interval | None:
    won, lost = pairs.only_candidate, pairs.only_champion
    if pairs.n < MIN_VALUES or not won + lost:
        return None
    found = within(Sample(pairs.n, won - lost, won + lost))
    return interval(found, alpha if alpha_pass is None else alpha_pass, alpha)
