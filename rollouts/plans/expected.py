"""What a plan may be expected to take, before it begins. Pure: plan and recorded rates in, requests and times out."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.trials.guards import EVENTS
from rollouts.plans.plan import Guardrail, Plan
from rollouts.verdicts import requests_to_fail, requests_to_pass, split_alpha
from serving.contract import BASIS_POINTS

ASSUMED_RATES = (0.001, 0.01, 0.05)  # shown beside what was measured


@dataclass(frozen=True)
class Recorded:
    """What the model's traffic was like lately.

    Attributes:
        per_s: requests per second; 0 without traffic.
        rates: share of requests with the event, by guardrail; without those that telemetry does not tell.
    """

    per_s: float
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Cell:
    """What a pass is expected to take at one weight.

    Attributes:
        requests: of both arms; None where no realistic number is enough.
        seconds: at the recorded rate; None without traffic.
        unrealistic: it would take longer than the plan lasts.
    """

    weight_bp: int
    requests: int | None
    seconds: float | None
    unrealistic: bool


@dataclass(frozen=True)
class Expectation:
    """One guardrail at one base rate, over the plan's weights.

    Attributes:
        measured: the base rate was recorded, and not assumed.
        to_fail: requests of both arms until a candidate that is worse by the margin is found out, at the last weight.
    """

    guard: Guardrail
    base_rate: float
    measured: bool
    cells: list[Cell]
    to_fail: int | None

    @property
    def unrealistic(self) -> bool:
        """Whether not even the last weight makes a pass likely in time."""
        return self.cells[-1].unrealistic


def expectations(plan: Plan, recorded: Recorded) -> list[Expectation]:
    """Return what each guardrail that counts events is expected to take: at its measured base rate, else at usual ones."""
    alphas = split_alpha(
        plan.alpha, [g.name for g in plan.guardrails], {g.name: g.alpha_share for g in plan.guardrails}
    )
    found = []
    for guard in plan.guardrails:
        if guard.kind not in EVENTS:
            continue
        measured = recorded.rates.get(guard.name)
        for rate in (measured,) if measured else ASSUMED_RATES:
            cells = [_cell(plan, guard, step.weight_bp, rate, recorded.per_s) for step in plan.steps]
            last = plan.steps[-1].weight_bp / BASIS_POINTS
            to_fail = requests_to_fail(base_rate=rate, ratio=guard.margin, weight=last, alpha=alphas[guard.name])
            found.append(Expectation(guard, rate, measured is not None and measured > 0, cells, to_fail))
    return found


def _cell(plan: Plan, guard: Guardrail, weight_bp: int, rate: float, per_s: float) -> Cell:
    # All guardrails have to pass, so each is tested at the whole level.
    requests = requests_to_pass(base_rate=rate, weight=weight_bp / BASIS_POINTS, alpha=plan.alpha, margin=guard.margin)
    seconds = requests / per_s if requests is not None and per_s else None
    too_long = requests is None or (seconds is not None and seconds > plan.max_duration_s)
    return Cell(weight_bp, requests, seconds, too_long)
