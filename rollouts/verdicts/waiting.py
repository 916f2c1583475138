"""How many requests a verdict is still expected to take, and how many a plan will take before it starts.

The failures to come are independent draws: each is the canary's with the same probability. After n of them the evidence has reached its
limit from some number of the canary's on (or, for a pass, down from some number), so the chance of having reached it by
then follows from a walk on whole numbers between two bounds, without simulation. The median is told.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rollouts.verdicts.origins import Floats, Tally, log_evidence, most_likely, tally
from rollouts.verdicts.verdict import thresholds

UNREALISTIC = 10_000_000  # requests; nobody waits for more
_LONGEST_WALK = 8_000  # failures; of a median beyond, the walk that is expected is told
_AHEAD = np.geomspace(1, UNREALISTIC, 400)
Rule = tuple[float, bool, float]  # null, whether it is tested from below, limit of log E


def requests_more(
    counts: Tally, weight: float, requests: int, *, margin: float, limits: tuple[float, float]
) -> int | None:
    """Return requests until the first of both verdicts, if risk, ratio and weight stay as they are.

    The ratio is estimated with half a failure more in each arm.

    Returns: None without a failure so far, or beyond :data:`UNREALISTIC`.
    """
    known = counts.failures[0, -1]
    failures = float(known.sum())
    if not failures:
        return None
    ratio = most_likely(counts.weights, counts.canary[0, -1] + 0.5, known + 1 / known.size)
    rules: list[Rule] = [(1.0, False, limits[0]), (margin, True, limits[1])]
    return _requests(counts, weight, ratio, failures / requests, rules)


def requests_to_pass(*, base_rate: float, weight: float, alpha: float, margin: float = 2.0) -> int | None:
    """Return the requests of both arms within which half of all candidates as good as the champion pass.

    Args:
        base_rate: share of the champion's requests that fail, in [0, 1].
        weight: the canary's share of the traffic, in (0, 1).
        alpha: the level that a pass is tested at.
        margin: risk ratio that a pass excludes, above 1.

    Returns: None beyond :data:`UNREALISTIC`.
    Raises: ValueError if an argument is out of range.
    """
    if not margin > 1:
        raise ValueError(f"{margin=}: a pass excludes a risk ratio above 1.")
    return _planned(base_rate, 1.0, weight, (margin, True, thresholds(alpha, None)[0]))


def requests_to_fail(*, base_rate: float, ratio: float, weight: float, alpha: float) -> int | None:
    """Return the requests of both arms within which half of all candidates fail that do so ``ratio`` times as often as the champion.

    Returns: None beyond :data:`UNREALISTIC`, and for a ratio too near 1 to be found at all.
    Raises: ValueError if an argument is out of range.
    """
    return _planned(base_rate, ratio, weight, (1.0, False, thresholds(alpha, None)[0]))


def _planned(base_rate: float, ratio: float, weight: float, rule: Rule) -> int | None:
    if not (0 <= base_rate <= 1 and 0 < weight < 1 and 0 < ratio < math.inf):
        raise ValueError(f"{base_rate=} {weight=} {ratio=}")
    rate = base_rate * (1 - weight), min(1.0, base_rate * ratio) * weight
    return (
        _requests(tally([]), weight, rate[1] / rate[0] * (1 - weight) / weight, sum(rate), [rule])
        if base_rate
        else None
    )


def _requests(known: Tally, weight: float, ratio: float, rate: float, rules: list[Rule]) -> int | None:
    share = weight * ratio / (weight * ratio + 1 - weight)
    ahead = _AHEAD * rate
    reached = _reached(_later(known, weight, ahead, ahead * share), rules)
    if not reached.any():
        return None
    expected = float(ahead[reached.argmax()])
    steps = min(math.ceil(2 * expected) + 10, _LONGEST_WALK)
    failures = _median_walk(known, weight, share, steps, rules) or expected
    return math.ceil(failures / rate)


def _reached(counts: Tally, rules: list[Rule]) -> npt.NDArray[np.bool_]:
    looks = [log_evidence(counts, null, below=below) >= limit for null, below, limit in rules]
    found: npt.NDArray[np.bool_] = np.logical_or.reduce(looks)
    return found


def _later(known: Tally, weight: float, ahead: Floats, canary: Floats) -> Tally:
    """Return T looks: what is known with ``ahead`` (T,) more failures at ``weight``, ``canary`` (T,) of them the canary's."""
    shape = len(known.starts), ahead.size
    before = np.broadcast_to(known.failures, (*shape, known.weights.size))
    failures = np.concatenate([before, np.broadcast_to(ahead, shape)[..., None]], axis=2)
    return replace(known, weights=np.append(known.weights, weight), canary=known.canary + canary, failures=failures)


def _median_walk(known: Tally, weight: float, share: float, steps: int, rules: list[Rule]) -> int | None:
    """Return after how many failures half of all walks have reached a limit; None if not within ``steps``."""
    low, high = np.full(steps, -1), np.arange(1, steps + 1) + 1  # a walk at or beyond either has arrived
    for rule in rules:
        bound = _bound(known, weight, steps, rule)
        low, high = (np.maximum(low, bound - 1), high) if rule[1] else (low, np.minimum(high, bound))
    alive = np.array([1.0])  # by failures of the canary, from ``first`` on
    first = 0
    for step in range(steps):
        alive = np.append(alive, 0.0) * (1 - share) + np.append(0.0, alive) * share
        start, stop = max(low[step] + 1 - first, 0), min(high[step] - first, alive.size)
        alive, first = alive[start:stop], first + start
        if alive.sum() <= 0.5:
            return step + 1
    return None


def _bound(known: Tally, weight: float, steps: int, rule: Rule) -> npt.NDArray[np.int_]:
    """Return for 1 ... ``steps`` failures the fewest of the canary's at which the rule's answer differs from that at none.

    That is the number from which on one fails, and for a rule from below the first number at which one no longer passes.
    """
    ahead = np.arange(1.0, steps + 1)
    low, high = np.zeros(steps), ahead + 1
    for _ in range((steps + 1).bit_length()):  # each halves what is left of up to steps + 1
        middle = np.floor((low + high) / 2)
        right = _reached(_later(known, weight, ahead, middle), [rule]) != rule[1]
        low, high = np.where(right, low, middle + 1), np.where(right, middle, high)
    return low.astype(int)
