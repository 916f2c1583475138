"""How often a canary without fault is rolled back, and how soon one at fault is, when one looks every 100 requests.

Trials are drawn from a seed, 20,000 requests each at a base rate of 1%, and judged by the product's own arithmetic (alpha 0.05) beside two
rules in common use: a z-test of two proportions repeated at each look, and "1.5 times the champion's rate". Detection is the median
over trials of the requests of both arms, those that never detect counting as longest. A share near 5% is measured to within 0.7
percentage points (two standard errors of 4,000 trials).
"""

import math

import numpy as np

from benchmarks.report import Row, arguments, finish
from benchmarks.trials import EVERY, LOOKS, Floats, Trials, independent, paired, ramp, skewed, sticky
from rollouts.verdicts import requests_to_fail, requests_to_pass
from rollouts.verdicts.sequences import MIN_VALUES, critical

ALPHA = 0.05
LIMIT = -math.log(ALPHA)
BASE = 0.01
WARM_UP = 1_000  # requests before the 1.5 times rule is asked; before, it sees noise alone
AT_MOST = ("≤", ALPHA)


def main() -> None:
    """Draw the trials of each situation, judge them, compare with the targets."""
    options = arguments(__doc__ or "")
    replicates = 500 if options.quick else 4_000
    random = np.random.default_rng(20_261_126)
    rows = [
        *_false(random, replicates),
        *_detect(random, replicates),
        *_pass(random, replicates),
        *_paired(random, replicates),
    ]
    finish(rows, options.json)


def share(reached: np.ndarray) -> float:
    """Return the share of trials (R, L) in which it happened at any look."""
    return float(reached.any(axis=1).mean())


def median(reached: np.ndarray, every: int = EVERY) -> float:
    """Return the median number of requests at the first look (R, L) at which it happened; infinite if in less than half."""
    first = np.where(reached.any(axis=1), (reached.argmax(axis=1) + 1.0) * every, np.inf)
    return float(np.median(first))


def z_scores(trials: Trials) -> Floats:
    """Return the z-score of two proportions at each look, positive where the canary fails more often; 0 without a failure."""
    n = EVERY * np.arange(1, LOOKS + 1)
    others = np.maximum(n - trials.asked, 1)
    asked = np.maximum(trials.asked, 1)
    pooled = (trials.canary + trials.champion) / n
    error = np.sqrt(pooled * (1 - pooled) * (1 / asked + 1 / others))
    found: Floats = (trials.canary / asked - trials.champion / others) / np.where(error > 0, error, np.inf)
    return found


def half_as_much_again(trials: Trials) -> np.ndarray:
    """Return at which looks the canary's rate is at least 1.5 times the champion's."""
    n = EVERY * np.arange(1, LOOKS + 1)
    worse = trials.canary * (n - trials.asked) >= 1.5 * trials.champion * trials.asked
    return worse & (trials.canary > 0) & (n >= WARM_UP)


def _false(random: np.random.Generator, replicates: int) -> list[Row]:
    """Roll back a canary that is as good as the champion."""
    equal = {
        name: independent(random, replicates, champion=BASE, canary=BASE, weights=weight)
        for name, weight in (("5050", 0.5), ("10", 0.1), ("5", 0.05))
    }
    drift = np.linspace(BASE, 3 * BASE, LOOKS)
    equal["ramp_drift"] = independent(random, replicates, champion=drift, canary=drift, weights=ramp())
    equal["sticky"], every = sticky(random, replicates, base=BASE)
    rows = [Row(f"false_rollback.{name}", share(one.evidence() >= LIMIT), "", AT_MOST) for name, one in equal.items()]
    values = skewed(random, replicates // 4)
    reach = np.array([critical(int(n), ALPHA) for n in 2 * values.n])
    z = values.difference / values.error
    return [
        *rows,
        Row("false_rollback.numeric_skewed", share((z >= reach) & (values.n >= MIN_VALUES)), "", AT_MOST),
        Row("naive.5050", share(z_scores(equal["5050"]) >= 1.6449), "", ("≥", 0.3)),  # one-sided 5%
        Row("rule_1_5.5050", share(half_as_much_again(equal["5050"]))),
        Row("rule_1_5.10", share(half_as_much_again(equal["10"]))),
        Row("pooled.ramp_drift", share(_pooled(equal["ramp_drift"]).evidence() >= LIMIT)),
        Row("every_failure.sticky", share(every.evidence() >= LIMIT)),
    ]


def _pooled(trials: Trials) -> Trials:
    """Return the mistake that the product does not make: all failures at the mean weight."""
    mean = np.full_like(trials.weights, trials.weights.mean())
    return Trials(mean, trials.asked, trials.canary, trials.champion)


def _detect(random: np.random.Generator, replicates: int) -> list[Row]:
    """Find out a canary that fails at 2% or at 5%."""
    targets = {("5050", 2): 3_800, ("5050", 5): 550, ("10", 2): 9_600, ("10", 5): 1_250}
    rows, powers = [], []
    for (name, percent), target in targets.items():
        weight = {"5050": 0.5, "10": 0.1}[name]
        trials = independent(random, replicates, champion=BASE, canary=percent / 100, weights=weight)
        found = trials.evidence() >= LIMIT
        rows.append(Row(f"detect.{name}.{percent}pct", median(found), "requests", ("≤", target)))
        powers.append(Row(f"power.{name}.{percent}pct", share(found), "", ("≥", 0.995) if name == "5050" else None))
    rows += _detect_late(random, replicates // 4)
    planned = requests_to_fail(base_rate=BASE, ratio=2, weight=0.5, alpha=ALPHA) or math.inf
    return [*rows, *powers, Row("planned.detect.5050.2pct", planned, "requests")]


def _detect_late(random: np.random.Generator, replicates: int) -> list[Row]:
    """Find out a canary whose rate jumps to 5% after five times 20,000 good requests, from the jump on."""
    good = 5 * LOOKS
    rates = np.repeat([BASE, 5 * BASE], [good, LOOKS])
    trials = independent(random, replicates, champion=BASE, canary=rates, weights=0.5, looks=good + LOOKS)
    rows = []
    for name, late in (("one_part", 0.0), ("two_parts", 0.1)):
        found = trials.evidence(late=late, part=good) >= LIMIT
        rows.append(Row(f"detect_late.{name}", median(found[:, good:]), "requests"))
    return rows


def _pass(random: np.random.Generator, replicates: int) -> list[Row]:
    """Let a canary pass: one that is equal should, one that fails twice as often should not."""
    equal = independent(random, replicates, champion=BASE, canary=BASE, weights=0.5).evidence(margin=2) >= LIMIT
    rows = [
        Row("promote.5050", median(equal), "requests", ("≤", 5_500)),
        Row("planned.promote.5050", requests_to_pass(base_rate=BASE, weight=0.5, alpha=ALPHA) or math.inf, "requests"),
        Row("promote.power.5050", share(equal)),
    ]
    worst = 0.0
    for weight in (0.5, 0.1, 0.05, ramp()):
        twice = independent(random, replicates, champion=BASE, canary=2 * BASE, weights=weight)
        worst = max(worst, share(twice.evidence(margin=2) >= LIMIT))
    first, _ = sticky(random, replicates, base=BASE, ratio=2)
    return [
        *rows,
        Row("false_promotion", worst, "", AT_MOST),
        Row("false_promotion.sticky", share(first.evidence(margin=2) >= LIMIT)),
    ]


def _paired(random: np.random.Generator, replicates: int) -> list[Row]:
    """Find out a candidate that is right on 88% where the champion is on 90%, from the pairs of which one was right.

    On 8% of all requests one alone is right (it loses 5%, it wins 3%); with less disagreement the same gap shows sooner.
    """
    rows = []
    for disagree, target in ((0.08, ("≤", 1_450.0)), (0.04, None)):
        trials = paired(random, replicates, lost=(disagree + 0.02) / 2, won=(disagree - 0.02) / 2)
        name = "paired" if target else f"paired.disagree_{disagree:.0%}".replace("%", "pct")
        rows.append(Row(name, median(trials.evidence() >= LIMIT, every=10), "pairs", target))
    return rows


if __name__ == "__main__":
    main()
