"""The figures that a step of a rollout waits for, as its page shows them."""

import math
from dataclasses import dataclass

from monitoring.selectors import TrialEvidence
from registry.models import ErrorBudget
from rollouts.models import Rollout
from rollouts.plans.plan import Plan
from rollouts.plans.units import show_duration, show_percent, show_share


@dataclass(frozen=True)
class Figure:
    """One of the figures that a step waits for.

    Attributes:
        share: reached of what is asked, from 0; None where nothing is asked.
        note: what is missing, in words.
    """

    label: str
    value: str
    of: str
    share: float | None
    state: str
    note: str


def figures(
    rollout: Rollout, plan: Plan, evidence: TrialEvidence | None, *, is_shadow: bool, elapsed_s: float
) -> list[Figure]:
    """Return what the present phase waits for, and what is left of the tightest error budget."""
    if is_shadow and plan.shadow:
        pairs = evidence.pairs.answered_both if evidence else 0
        found = [
            _hold(plan.shadow.duration_s, elapsed_s),
            _count("Requests both answered", pairs, plan.shadow.min_pairs, elapsed_s),
        ]
        return [*found, *_budget(rollout)]
    step = plan.steps[rollout.step]
    answered = sum(exposure.candidate_since for exposure in evidence.exposures) if evidence else 0
    found = [
        _hold(step.hold_s, elapsed_s),
        _count(f"Requests at {show_share(step.weight_bp)}", answered, step.min_requests, elapsed_s),
    ]
    if step.min_callers or step.min_failures:
        failures = (
            max((sum(w.champion + w.candidate for w in g.first_events) for g in evidence.guards), default=0)
            if evidence
            else 0
        )
        keys = evidence.distinct_keys if evidence else 0
        callers = _count("Different callers", keys, step.min_callers, 0) if step.min_callers else None
        failed = _count("Failures of both arms", failures, step.min_failures, 0) if step.min_failures else None
        either = [one for one in (callers, failed) if one]
        found.append(max(either, key=lambda one: one.share or 0.0))
    return [*found, *_budget(rollout)]


def _hold(asked_s: int, elapsed_s: float) -> Figure:
    left = max(asked_s - elapsed_s, 0)
    share = min(elapsed_s / asked_s, 1.0) if asked_s else 1.0
    note = (
        f"{show_duration(math.ceil(left / 60) * 60)} left"
        if left >= 60
        else f"{math.ceil(left)}s left"
        if left
        else "Met"
    )
    value = show_duration(int(elapsed_s) // 60 * 60) if elapsed_s >= 60 else f"{int(elapsed_s)}s"
    return Figure("Hold", value, f"of {show_duration(asked_s)}", share, "pass" if not left else "pending", note)


def _count(label: str, have: int, asked: int, elapsed_s: float) -> Figure:
    share = min(have / asked, 1.0) if asked else 1.0
    missing = max(asked - have, 0)
    wait = (
        f", about {show_duration(math.ceil(missing * elapsed_s / have / 60) * 60)}"
        if have and elapsed_s and missing
        else ""
    )
    note = f"{missing:,} needed{wait}" if missing else "Met"
    return Figure(label, f"{have:,}", f"of {asked:,}", share, "pending" if missing else "pass", note)


def _budget(rollout: Rollout) -> list[Figure]:
    """Return what is left of the tightest error budget, and what the canary took of it."""
    tightest = ErrorBudget.objects.filter(model=rollout.model, remaining__isnull=False).order_by("remaining").first()
    if tightest is None or tightest.remaining is None:
        return []
    spent = next((one["share"] for one in rollout.budget if one["objective"] == tightest.objective), None)
    note = (
        f"{tightest.objective}; the canary took {show_percent(round(spent, 4))}"
        if spent is not None
        else tightest.objective
    )
    left = max(tightest.remaining, 0.0)
    return [Figure("Error budget", show_percent(round(left, 3)), "left", left, "" if left else "fail", note)]
