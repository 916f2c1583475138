"""What the page of one rollout shows, read in a number of queries that does not grow with its length."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum

from monitoring.charts import line as path_of
from monitoring.models import TelemetryWindow
from monitoring.selectors import TrialEvidence, trial_evidence
from registry.models import ErrorBudget
from registry.selectors import Check
from rollouts import drawing
from rollouts.judging import alphas
from rollouts.lines import GuardLines, rollout_lines
from rollouts.models import Rollout, RolloutVerdict
from rollouts.plan import Guardrail, Plan
from rollouts.plan_checks import PAIRED
from rollouts.selectors.criteria import criteria_checks, criteria_of
from rollouts.selectors.looking import look_at
from rollouts.services.moves import elapsed
from rollouts.states import State
from rollouts.units import show_duration, show_percent, show_share

RECENT = timedelta(minutes=10)
STALE_AFTER = timedelta(seconds=30)  # of an open rollout that nothing has looked at


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


@dataclass(frozen=True)
class Row:
    """One guardrail: champion beside canary, and how near a verdict is."""

    guard: Guardrail
    about: str
    champion: str
    canary: str
    difference: str
    interval: str
    allowed: str
    meter: drawing.Meter
    outcome: str
    mark: str
    word: str
    why: str
    more: int | None
    wait_s: float | None
    pairs: bool
    n: int
    alpha: float
    anchor: str
    champion_line: str
    canary_line: str


def requests_per_s(rollout: Rollout, now: datetime) -> float:
    """Return the requests per second that both arms answered in the last ten minutes, or since the rollout began."""
    since = max(now - RECENT, rollout.started_at)
    counted = TelemetryWindow.objects.filter(
        version__in=[rollout.champion_id, rollout.candidate_id], arm__in=["champion", "canary"], started_at__gte=since
    ).aggregate(n=Sum("requests"))["n"]
    return (counted or 0) / max((now - since).total_seconds(), 10.0)


def latest_verdicts(rollout: Rollout) -> dict[str, RolloutVerdict]:
    """Return the newest verdict on each metric."""
    newest = rollout.verdicts.order_by("metric", "-id").distinct("metric")
    return {verdict.metric: verdict for verdict in newest}


def rows(rollout: Rollout, *, now: datetime) -> list[Row]:
    """Return the guardrails as the table prints them, failures first."""
    plan = rollout.plan
    rate = requests_per_s(rollout, now)
    found = latest_verdicts(rollout)
    shares = alphas(plan)
    lines = rollout_lines(rollout, now=now)
    drawn = [
        _row(
            guard,
            found.get(guard.name),
            shares[guard.name],
            plan.alpha,
            rate,
            lines.guards.get(guard.name) if lines else None,
        )
        for guard in plan.guardrails
    ]
    return sorted(drawn, key=lambda row: row.mark != "fail")


def _row(
    guard: Guardrail,
    verdict: RolloutVerdict | None,
    alpha: float,
    alpha_pass: float,
    rate: float,
    lines: GuardLines | None,
) -> Row:
    """Return one guardrail; ``rate`` is of requests per second of both arms, for how long a verdict may still take."""
    detail: dict[str, Any] = verdict.detail if verdict else {}
    outcome = verdict.outcome if verdict else "no_data"
    mark, word = drawing.MARKS[outcome]
    more = detail.get("expected_more") if outcome == "inconclusive" else None
    difference, interval = drawing.difference(guard, detail)
    return Row(
        guard=guard,
        about=drawing.about(guard),
        champion=drawing.value(guard, detail.get("champion")),
        canary=drawing.value(guard, detail.get("canary")),
        difference=difference,
        interval=interval,
        allowed=drawing.allowed(guard),
        meter=drawing.meter(
            outcome, against=verdict.most_against if verdict else 0.0, favour=verdict.most_favour if verdict else 0.0,
            fail_at=verdict.threshold if verdict else -math.log(alpha), pass_at=detail.get("pass_threshold") or -math.log(alpha_pass),
        ),
        outcome=outcome,
        mark=mark,
        word=word,
        why=(detail.get("reason") or verdict.sentence) if verdict else "Nothing was counted yet.",
        more=more or None,
        wait_s=more / rate if more and rate else None,
        pairs=guard.kind in PAIRED,
        n=verdict.n if verdict else 0,
        alpha=alpha,
        anchor=f"v{verdict.pk}" if verdict else "",
        **_spark(lines),
    )  # fmt: skip


def _spark(lines: GuardLines | None) -> dict[str, str]:
    """Return both arms' lines on one scale."""
    known = [value for value in (*lines.champion, *lines.canary) if value is not None] if lines else []
    if lines is None or not known:
        return {"champion_line": "", "canary_line": ""}
    low, high = min(known), max(known)
    size = {"width": 88, "height": 24, "low": low, "high": high if high > low else low + 1}
    return {"champion_line": path_of(lines.champion, **size), "canary_line": path_of(lines.canary, **size)}


@dataclass(frozen=True)
class ShadowSeen:
    """What was seen while the candidate was asked and answered nobody."""

    running: bool
    pairs: int
    asked: int
    alike: float | None
    missing: int


@dataclass(frozen=True)
class Screen:
    """Where a rollout stands, as its page and its status say it.

    Attributes:
        stale: it is open, and nothing has looked at it for half a minute.
    """

    mark: str
    word: str
    sentence: str
    steps: list[drawing.StepMark]
    figures: list[Figure]
    rows: list[Row]
    shadow: ShadowSeen | None
    criteria: list[Check]
    stale: bool


def screen(rollout: Rollout, *, now: datetime) -> Screen:
    """Return where a rollout stands."""
    plan = rollout.plan
    state = State(rollout.state)
    began = rollout.acts.filter(weight_bp__gt=0).exists()
    elapsed_s = elapsed(rollout, now).total_seconds()
    reached = sorted(set(rollout.acts.filter(weight_bp__gt=0).values_list("weight_bp", flat=True)))
    evidence = trial_evidence(rollout.trial, now=now, since=rollout.phase_started_at) if rollout.trial else None
    is_shadow = state is State.SHADOW or (state is State.AWAITING and not began and plan.shadow is not None)
    mark, word = lead(rollout)
    drawn = rows(rollout, now=now)
    return Screen(
        mark=mark,
        word=word,
        sentence=_sentence(rollout, drawn),
        steps=drawing.step_marks(
            plan, state=state, step=rollout.step, began=began, elapsed_s=elapsed_s,
            paused=rollout.paused_at is not None, reached=reached,
        ),
        figures=_figures(rollout, plan, is_shadow, elapsed_s, evidence, now) if state.is_open and state is not State.PENDING else [],
        rows=drawn,
        shadow=_shadow(rollout, plan, evidence, state),
        criteria=_criteria(rollout, plan, now),
        stale=state.is_open and rollout.checked_at is not None and now - rollout.checked_at > STALE_AFTER,
    )  # fmt: skip


def _criteria(rollout: Rollout, plan: Plan, now: datetime) -> list[Check]:
    if not criteria_of(rollout):
        return []
    measured = look_at(rollout, plan, now=now).measures if State(rollout.state).is_open else None
    return criteria_checks(rollout, measured, now=now)


def lead(rollout: Rollout) -> tuple[str, str]:
    """Return mark and word of a rollout's state."""
    weight = show_share(rollout.weight_bp)
    match State(rollout.state):
        case State.PROMOTED:
            return "pass", "Promoted"
        case State.ROLLED_BACK:
            return "fail", "Rolled back"
        case State.ABORTED:
            return "skipped", "Aborted"
        case State.AWAITING:
            return "pending", f"Waits for a person at {weight}" if rollout.weight_bp else "Waits for a person"
        case _ if rollout.paused_at:
            return "warn", f"Paused at {weight}" if rollout.weight_bp else "Paused"
        case State.PENDING:
            return "todo", "About to begin"
        case State.SHADOW:
            return "live", "In shadow"
    return "live", f"Holding at {weight}"


def _sentence(rollout: Rollout, drawn: list[Row]) -> str:
    if rollout.outcome:
        return rollout.outcome
    failing = [row.guard.name for row in drawn if row.mark == "fail"]
    if failing:
        return f"Failed: {', '.join(failing)}. It goes back."
    passed = sum(row.mark == "pass" for row in drawn if row.guard.decides)
    deciding = sum(row.guard.decides for row in drawn)
    return f"No guardrail has failed; {passed} of {deciding} that decide {'has' if passed == 1 else 'have'} passed."


def _figures(
    rollout: Rollout, plan: Plan, is_shadow: bool, elapsed_s: float, evidence: TrialEvidence | None, now: datetime
) -> list[Figure]:
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


def _shadow(rollout: Rollout, plan: Plan, evidence: TrialEvidence | None, state: State) -> ShadowSeen | None:
    if plan.shadow is None or evidence is None:
        return None
    pairs = evidence.pairs
    alike = next((g.pairs for g in evidence.guards if g.guard.kind == "agreement" and g.pairs.answered_both), None)
    return ShadowSeen(
        running=state is State.SHADOW, pairs=pairs.answered_both, asked=plan.shadow.min_pairs,
        alike=alike.alike / alike.answered_both if alike else None, missing=pairs.missing,
    )  # fmt: skip
