"""What a rollout's page prints of plan and verdicts: words, meters, steps. Pure: numbers in, words and shares out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollouts.plans.checks import RATIOS
from rollouts.plans.plan import Guardrail, Plan
from rollouts.plans.units import show_duration, show_ms, show_percent, show_share
from rollouts.states import State

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
MARKS = {
    "pass": ("pass", "Pass"),
    "fail": ("fail", "Fail"),
    "inconclusive": ("unsure", "Inconclusive"),
    "no_data": ("skipped", "No data"),
}
LARGEST_E = 1000


@dataclass(frozen=True)
class Meter:
    """How near a verdict is: from the middle, which knows nothing, to a pass on the right or a fail on the left.

    Attributes:
        x, width: of the bar, in per cent of the meter.
        state: its colour.
        left, right: the words below.
    """

    x: float
    width: float
    state: str
    left: str
    right: str


def meter(outcome: str, *, against: float, favour: float, fail_at: float, pass_at: float) -> Meter:
    """Return the meter of a verdict.

    Args:
        against, favour: natural logarithms of the evidence that the candidate is worse, and that it is good enough.
        fail_at, pass_at: those at which each decides.
    """
    to_fail, to_pass = max(against, 0.0) / fail_at, max(favour, 0.0) / pass_at
    if outcome == "fail":
        return Meter(0.0, 50.0, "fail", _e(against), f"failed at {_limit(fail_at)}")
    if outcome == "pass":
        return Meter(50.0, 50.0, "pass", _e(favour), f"passed at {_limit(pass_at)}")
    if to_fail > to_pass:
        width = round(min(to_fail, 1.0) * 50, 1)
        return Meter(50 - width, width, "pending", f"{_e(against)} against", f"{min(to_fail, 1):.0%} to fail")
    width = round(min(to_pass, 1.0) * 50, 1)
    return Meter(50.0, width, "pending", _e(favour), f"{min(to_pass, 1):.0%} to pass")


def _e(log: float) -> str:
    if log > math.log(LARGEST_E):
        return f"e > {LARGEST_E:,}"
    e = math.exp(max(log, -50.0))
    return f"e = {e:.3g}" if e >= 0.01 else "e < 0.01"


def _limit(log: float) -> str:
    return f"{math.exp(min(log, 20.0)):.3g}"


def about(guard: Guardrail) -> str:
    """Return what a guardrail looks at, in a few words."""
    output = guard.output or "score"
    match guard.kind:
        case "errors":
            return "server faults"
        case "timeouts":
            return f"no answer within {show_ms(guard.threshold_ms)}" if guard.threshold_ms else "no answer in time"
        case "slow":
            return (
                f"slower than {show_ms(guard.threshold_ms)}"
                if guard.threshold_ms
                else "slower than the champion's p99 before"
            )
        case "output":
            bound = f"above {guard.above:g}" if guard.above is not None else f"below {guard.below or 0:g}"
            return f"{output} {bound}"
        case "mean":
            return f"mean of {output}"
        case "agreement":
            cut = f", cut at {guard.cut:g}" if guard.cut is not None else ""
            return f"same decision as the champion{cut}"
        case "pairs":
            return f"{output}, both asked the same"
        case "paired_errors":
            return "failures, both asked the same"
        case "paired_quality":
            return f"right answers to the same, labels after {show_duration(guard.maturity_s)}"
        case "quality":
            loss = {"correct": "wrong answers"}.get(guard.loss, guard.loss.replace("_", " "))
            return f"{loss}, labels after {show_duration(guard.maturity_s)}"
    raise ValueError(guard.kind)


def allowed(guard: Guardrail) -> str:
    """Return what a pass rules out, as a limit."""
    if guard.kind in RATIOS:
        return f"≤ {guard.margin:g}{TIMES}"
    if guard.kind == "agreement":
        return f"≥ {show_percent(guard.margin)}"
    if guard.kind == "quality" or guard.higher_is_better is False:
        return f"≤ +{guard.margin:g}"
    return f"≥ {MINUS}{guard.margin:g}" if guard.higher_is_better else f"± {guard.margin:g}"


def value(guard: Guardrail, number: float | None) -> str:
    """Return one arm's value in the guardrail's unit."""
    if number is None:
        return ""
    if guard.kind in (*RATIOS, "agreement") or guard.loss == "correct":
        return f"{number * 100:.3g}%" if number < 0.9995 else f"{number * 100:.5g}%"
    return f"{number:.3g}".replace("-", MINUS)


def difference(guard: Guardrail, verdict: Mapping[str, Any]) -> tuple[str, str]:
    """Return how far the candidate lies from the champion, and the interval that holds at every look; empty where unknown."""
    if (ratio := verdict.get("ratio")) and guard.kind in RATIOS:
        low, middle, high = (math.inf if bound is None else bound for bound in ratio)
        return (f"{_times(middle)}", f"{_times(low)} to {_times(high)}")
    if not (found := verdict.get("difference")):
        return "", ""
    unit = 100 if guard.kind == "agreement" or guard.loss == "correct" else 1
    low, middle, high = (_signed(bound * unit) for bound in found)
    points = " points" if unit == 100 else ""
    return f"{middle}{points}", f"{low} to {high}"


def _times(ratio: float) -> str:
    if math.isinf(ratio) or ratio > 1000:
        return "any"
    return f"{ratio:.2f}{TIMES}" if ratio < 10 else f"{ratio:.0f}{TIMES}"


def _signed(number: float) -> str:
    text = f"{number:+.3g}"
    return text.replace("-", MINUS) if number else "0"


@dataclass(frozen=True)
class StepMark:
    """One mark of the step bar.

    Attributes:
        state: done, now, failed or empty for what is to come.
        run: of the present one: how much of its hold has passed, in per cent.
    """

    title: str
    words: str
    state: str
    run: int | None = None


def step_marks(
    plan: Plan, *, state: State, step: int, began: bool, elapsed_s: float, paused: bool, reached: Sequence[int]
) -> list[StepMark]:
    """Return the marks of the whole way, from the shadow phase to 100%.

    Args:
        began: whether any step has begun; a decision that is waited for may come before the first.
        elapsed_s: since the present phase began, without pauses.
        reached: weights (basis points) that were in force, of a rollout that is over.
    """
    marks = []
    is_over = not state.is_open
    if plan.shadow:
        hold = plan.shadow.duration_s
        if state is State.SHADOW or (state is State.AWAITING and not began):
            marks.append(_now("Shadow", hold, elapsed_s, state, paused))
        else:
            met = began or (is_over and state is State.PROMOTED)
            marks.append(
                StepMark(
                    "Shadow",
                    f"{show_duration(hold)}, passed" if met else show_duration(hold),
                    "done" if met else "failed" if is_over and not began else "",
                )
            )
    for i, one in enumerate(plan.steps):
        title = show_share(one.weight_bp)
        if is_over:
            done = one.weight_bp in reached
            stopped = done and state is not State.PROMOTED and one.weight_bp == max(reached)
            words = "stopped here" if stopped else f"held {show_duration(one.hold_s)}" if done else "not reached"
            marks.append(StepMark(title, words, "failed" if stopped else "done" if done else ""))
        elif began and i == step:
            marks.append(_now(title, one.hold_s, elapsed_s, state, paused))
        elif began and i < step:
            marks.append(StepMark(title, f"{show_duration(one.hold_s)}, advanced", "done"))
        else:
            gate = ", a person lets it begin" if one.gate else ""
            marks.append(StepMark(title, f"hold {show_duration(one.hold_s)}{gate}", ""))
    full = state is State.PROMOTED
    last = "champion" if full else "needs a pass and a person" if plan.promote_gate else "needs a pass"
    return [*marks, StepMark("100%", last, "done" if full else "")]


def _now(title: str, hold_s: int, elapsed_s: float, state: State, paused: bool) -> StepMark:
    share = min(elapsed_s / hold_s, 1.0) if hold_s else 1.0
    held_s = int(min(elapsed_s, hold_s))
    held = show_duration(held_s // 60 * 60 if held_s >= 60 else held_s)
    word = "waits for a person" if state is State.AWAITING else "paused" if paused else "holding"
    return StepMark(title, f"{word}, {held} of {show_duration(hold_s)}", "now", round(share * 100))
