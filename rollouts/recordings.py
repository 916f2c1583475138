"""What telemetry has recorded of a model's callers, as plans are measured against it."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta

from monitoring.selectors import RecordedWindow, recorded, trial_series
from monitoring.telemetry import LATENCY_BINS, WINDOW_SECONDS, quantile
from registry.models import RegisteredModel
from rollouts.judging import Sums
from rollouts.models import Rollout
from rollouts.plans.dry_run import ArmSpan, Span
from rollouts.plans.expected import Recorded
from rollouts.plans.plan import Guardrail, Plan
from serving.contract import CANARY, SHADOW

KEPT = timedelta(hours=48)
WINDOW = timedelta(seconds=WINDOW_SECONDS)


def p99_ms(windows: Iterable[RecordedWindow]) -> float | None:
    """Return the 99th percentile of the answers' latency in ms, which stands in for a threshold that a plan leaves open."""
    latencies = [window.latency for window in windows]
    found = quantile([sum(counts) for counts in zip(*latencies, strict=True)] or [0] * LATENCY_BINS, 0.99)
    return None if found is None else found / 1000


def events(guard: Guardrail, window: RecordedWindow, slow_ms: float) -> float | None:
    """Return how many requests of a window had what a guardrail counts; None where telemetry does not tell."""
    match guard.kind:
        case "errors":
            return window.first_failures
        case "slow":
            return window.slower_than(guard.threshold_ms or slow_ms)
        case "output" if not guard.output:
            scored = window.scored(above=guard.above, below=guard.below)
            return None if scored is None else min(scored, window.requests)
    return None


def recorded_rates(model: RegisteredModel, plan: Plan, *, now: datetime) -> Recorded:
    """Return how much traffic a model had in the last 48 hours, and how often what a plan's guardrails count happened in it."""
    windows = recorded(model, since=now - KEPT)
    requests = sum(window.requests for window in windows)
    if not requests:
        return Recorded(0.0, {})
    slow_ms = p99_ms(windows) or 0.0
    rates = {}
    for guard in plan.guardrails:
        counted = [events(guard, window, slow_ms) for window in windows]
        known = [count for count in counted if count is not None]
        if known:
            rates[guard.name] = sum(known) / requests
    seconds = (now - windows[0].started_at).total_seconds()
    return Recorded(requests / max(seconds, 10.0), rates)


def parted_spans(model: RegisteredModel, plan: Plan, *, now: datetime) -> list[Span]:
    """Return the callers' traffic of the last 48 hours in spans of ten seconds, as a plan's guardrails count it."""
    windows = recorded(model, since=now - KEPT)
    slow_ms = p99_ms(windows) or 0.0
    found: dict[datetime, tuple[int, dict[str, float]]] = {}
    for window in windows:
        requests, sums = found.get(window.started_at, (0, {}))
        for guard in plan.guardrails:
            if (count := events(guard, window, slow_ms)) is not None:
                sums[guard.name] = sums.get(guard.name, 0.0) + count
        found[window.started_at] = (requests + window.requests, sums)
    return [Span(at + WINDOW, requests, sums) for at, (requests, sums) in sorted(found.items())]


def trial_spans(rollout: Rollout) -> list[ArmSpan]:
    """Return a past rollout's traffic in spans of ten seconds, with the arms and weights that it had."""
    found: dict[datetime, tuple[int, dict[str, dict[int, tuple[Sums, Sums]]]]] = {}
    for step in trial_series(rollout.trial) if rollout.trial else []:
        if step.arm == SHADOW:
            continue
        requests, sums = found.get(step.started_at, (0, {}))
        one = Sums(**asdict(step.sums))
        if step.guard:
            champion, candidate = sums.setdefault(step.guard, {}).get(step.weight_bp, (Sums(), Sums()))
            sums[step.guard][step.weight_bp] = (champion, one) if step.arm == CANARY else (one, candidate)
        elif step.arm == CANARY:
            requests += one.exposed
        found[step.started_at] = (requests, sums)
    return [ArmSpan(at + WINDOW, requests, sums) for at, (requests, sums) in sorted(found.items())]
