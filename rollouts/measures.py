"""What a rollout measures of its candidate, as values with 95% intervals: evidence, which criteria are held against. Pure.

The intervals are those of one look. They do not stay valid under watching, as verdicts do: a rollout looks at them where a phase
would end, and goes back by verdicts alone.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments.metrics import Z_95, wilson_interval
from rollouts.judging import Counted, Sums, by_weight
from rollouts.plans.parts import Guardrail, Plan
from rollouts.verdicts import Sample

METRICS = {"errors": "error_rate", "timeouts": "timeout_rate", "slow": "slow_rate", "agreement": "agreement"}
LOSSES = {
    "correct": "wrong_answers",
    "absolute_error": "mean_absolute_error",
    "squared_error": "mean_squared_error",
    "log_loss": "log_loss",
}
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Measure:
    """One value of the candidate.

    Attributes:
        metric: as criteria name it; the guardrail's own name where there is no such word for its kind.
        shadow: whether a shadow showed it, and not callers' own requests.
        against: whether it is the difference to the champion.
        n: requests, or values, that it rests on.
    """

    guard: str
    metric: str
    shadow: bool
    against: bool
    value: float
    low: float
    high: float
    n: int


def measures(plan: Plan, counted: Mapping[str, Counted]) -> list[Measure]:
    """Return what is measured so far, in the plan's order; where two guardrails measure one metric, the first has its name."""
    found: list[Measure] = []
    for guard in plan.guardrails:
        name = METRICS.get(guard.kind) or LOSSES.get(guard.loss if guard.kind == "quality" else "") or guard.name
        metric = guard.name if any(one.metric == name for one in found) else name
        for shadow, against, (value, low, high), n in _of(guard, counted.get(guard.name, Counted())):
            found.append(Measure(guard.name, metric, shadow, against, value, low, high, n))
    return found


def _of(guard: Guardrail, counted: Counted) -> Iterator[tuple[bool, bool, Interval, int]]:
    pairs = counted.pairs
    match guard.kind:
        case "errors" | "timeouts" | "slow" | "output":
            champion, canary = _arms(counted)
            if canary.exposed:
                yield False, False, wilson_interval(canary.events, canary.exposed), canary.exposed
            if canary.exposed and champion.exposed:
                yield (
                    False,
                    True,
                    newcombe(canary.events, canary.exposed, champion.events, champion.exposed),
                    canary.exposed,
                )
        case "mean" | "quality":
            champion, canary = _arms(counted)
            if canary.n > 1:
                yield False, False, _mean(canary.sample), canary.n
            if canary.n > 1 and champion.n > 1:
                yield False, True, _difference(canary.sample, champion.sample), canary.n
        case "agreement":
            if pairs.answered_both:
                yield True, False, wilson_interval(pairs.alike, pairs.answered_both), pairs.answered_both
        case "pairs":
            if pairs.n > 1:
                yield True, True, _mean(Sample(pairs.n, pairs.total, max(pairs.squares, 0.0))), pairs.n
        case "paired_errors" | "paired_quality":
            n = pairs.answered_both + (
                pairs.only_champion + pairs.only_candidate if guard.kind == "paired_errors" else 0
            )
            if n:
                yield True, True, paired(pairs.only_candidate, pairs.only_champion, n), n


def _arms(counted: Counted) -> tuple[Sums, Sums]:
    """Return what champion and candidate counted at all weights together."""
    arms = by_weight(counted.at).values()
    return sum((champion for champion, _ in arms), Sums()), sum((canary for _, canary in arms), Sums())


def newcombe(events: int, n: int, other_events: int, other_n: int) -> Interval:
    """Return the difference of two independent shares with its 95% interval, in [-1, 1].

    Source: Newcombe (1998), Interval estimation for the difference between independent proportions, method 10.
    """
    a, a_low, a_high = wilson_interval(events, n)
    b, b_low, b_high = wilson_interval(other_events, other_n)
    return a - b, a - b - math.hypot(a - a_low, b_high - b), a - b + math.hypot(a_high - a, b - b_low)


def paired(gained: int, lost: int, n: int) -> Interval:
    """Return the difference of two shares of the same ``n`` pairs with its 95% interval, by the discordant ones (Wald)."""
    difference = (gained - lost) / n
    half = Z_95 * math.sqrt(max((gained + lost) / n - difference**2, 0.0) / n)
    return difference, difference - half, difference + half


def _mean(sample: Sample) -> Interval:
    mean = sample.total / sample.n
    half = Z_95 * math.sqrt(sample.variance / sample.n)
    return mean, mean - half, mean + half


def _difference(canary: Sample, champion: Sample) -> Interval:
    difference = canary.total / canary.n - champion.total / champion.n
    half = Z_95 * math.sqrt(canary.variance / canary.n + champion.variance / champion.n)
    return difference, difference - half, difference + half
