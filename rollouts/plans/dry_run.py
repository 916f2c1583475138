"""What a plan would have done with recorded traffic: the same decisions by the same arithmetic. Pure: recordings in, a story out."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np

from rollouts.decisions import Action, Counts, Known, Situation, decide
from rollouts.judging import PART_S, Counted, Place, Sums, judge
from rollouts.plans.plan import Plan
from rollouts.states import Ask, State
from rollouts.verdicts import Outcome, Verdict
from serving.contract import BASIS_POINTS

MOST_LOOKS = 240
Taken = Mapping[str, Mapping[int, tuple[Sums, Sums]]]  # by guardrail and weight: champion and candidate


@dataclass(frozen=True)
class Span:
    """Some seconds of recorded traffic, before it is parted.

    Attributes:
        at: its end.
        requests: all of them.
        events: those that had what a guardrail counts, by its name; without those that the recording does not tell.
    """

    at: datetime
    requests: int
    events: Mapping[str, float]


@dataclass(frozen=True)
class ArmSpan:
    """Some seconds of a past rollout, as its arms were.

    Attributes:
        requests: answered by the candidate.
        sums: by guardrail and weight, of (champion, candidate).
    """

    at: datetime
    requests: int
    sums: Taken


AnySpan = TypeVar("AnySpan", Span, ArmSpan)


@dataclass(frozen=True)
class Move:
    """Something that would have happened."""

    at: datetime
    weight_bp: int
    words: str


@dataclass(frozen=True)
class Replay:
    """What would have happened.

    Attributes:
        outcome: rolled_back, promoted, awaiting, open or no_data.
        at: when it ended; the recording's end where it did not; None where nothing is recorded.
        curves: by guardrail, (instant, evidence against, evidence for) at each look: natural logarithms.
        unknown: guardrails that the recording does not tell; they are taken as passed.
        requests: answered by the candidate.
    """

    outcome: str
    at: datetime | None
    reason: str
    moves: list[Move]
    verdicts: list[Verdict]
    curves: dict[str, list[tuple[datetime, float, float]]]
    unknown: list[str]
    requests: int


def replay_parted(plan: Plan, spans: Sequence[Span], *, ratio: float = 1.0, seed: int = 0) -> Replay | None:
    """Replay traffic that one version answered, parted at random as the plan's weights would have parted it.

    Args:
        ratio: how many times as often as the champion the candidate fails; 1 for one that is as good.
        seed: of the parting; the same seed parts the same way.

    Returns: None without any request.
    """
    rng = np.random.default_rng(seed)

    def part(span: Span, weight_bp: int) -> tuple[int, Taken]:
        if not weight_bp:  # a shadow is asked what the champion is
            return span.requests, {}
        mine = int(rng.binomial(span.requests, weight_bp / BASIS_POINTS))
        sums: dict[str, Mapping[int, tuple[Sums, Sums]]] = {}
        for name, events in span.events.items():
            rate = min(events / span.requests, 1.0)
            hit = int(rng.binomial(mine, min(rate * ratio, 1.0)))
            others = int(rng.binomial(span.requests - mine, rate))
            sums[name] = {weight_bp: (Sums(span.requests - mine, others, others), Sums(mine, hit, hit))}
        return mine, sums

    some = [span for span in spans if span.requests]
    return _replay(plan, some, part, {name for span in some for name in span.events})


def replay_arms(plan: Plan, spans: Sequence[ArmSpan]) -> Replay | None:
    """Replay a past rollout with the arms that it had: weights, requests and events are as recorded, the plan decides anew.

    Returns: None without any request.
    """
    return _replay(
        plan, spans, lambda span, _: (span.requests, span.sums), {name for span in spans for name in span.sums}
    )


def _replay(
    plan: Plan, spans: Sequence[AnySpan], part: Callable[[AnySpan, int], tuple[int, Taken]], told: set[str]
) -> Replay | None:
    if not spans:
        return None
    walk = _Walk(plan, spans[0].at, told)
    every = max(1, len(spans) // MOST_LOOKS)
    for i, span in enumerate(spans):
        walk.now = span.at
        if walk.state in (State.CANARY, State.SHADOW):
            walk.take(*part(span, walk.weight_bp))
        if i % every and i + 1 < len(spans):
            continue
        if ended := walk.look():
            return walk.told_as(*ended)
    where = "in its shadow phase" if walk.state is State.SHADOW else f"at {walk.weight_bp / 100:g}%"
    return walk.told_as("open", f"The recording ends while it holds {where}. {walk.held}")


class _Walk:
    """A rollout on its way through a recording."""

    def __init__(self, plan: Plan, now: datetime, told: set[str]) -> None:
        self.plan, self.now, self.told = plan, now, told
        self.opened, self.state, self.step = now, State.PENDING, 0
        self.began, self.deadline = now, now + timedelta(seconds=plan.max_duration_s)
        self.in_phase = self.total = 0
        self.held = ""
        self.moves: list[Move] = []
        self.counted: dict[str, dict[Place, tuple[Sums, Sums]]] = {}
        self.highest: dict[str, tuple[float, float]] = {}
        self.curves: dict[str, list[tuple[datetime, float, float]]] = {}
        self.verdicts: list[Verdict] = []

    @property
    def weight_bp(self) -> int:
        """The candidate's share now."""
        return self.plan.steps[self.step].weight_bp if self.state is State.CANARY else 0

    @property
    def unknown(self) -> list[str]:
        """Guardrails that the recording does not tell."""
        return [guard.name for guard in self.plan.guardrails if guard.name not in self.told]

    def take(self, requests: int, sums: Taken) -> None:
        """Count what a span holds; a shadow's answers are not recorded, so as many pairs as requests are assumed."""
        if self.state is State.SHADOW:
            self.in_phase += requests
            return
        self.in_phase += requests
        self.total += requests
        part = int((self.now - self.opened).total_seconds() // PART_S)
        for name, at in sums.items():
            known = self.counted.setdefault(name, {})
            for weight, arms in at.items():
                before = known.get((weight, part), (Sums(), Sums()))
                known[weight, part] = (before[0] + arms[0], before[1] + arms[1])

    def look(self) -> tuple[str, str] | None:
        """Judge and take at most one step; the outcome and its reason where it ends."""
        self.verdicts = judge(self.plan, {name: Counted(at) for name, at in self.counted.items()})
        failures = max((Counted(at).failures for at in self.counted.values()), default=0)
        # Who called is not recorded, so as many callers as requests are assumed.
        counts = Counts(requests=self.in_phase, callers=self.in_phase, failures=failures)
        decision = decide(self.plan, Situation(
            state=self.state, step=self.step, now=self.now, elapsed=self.now - self.began, is_shadow=self.state is State.SHADOW,
            deadline=self.deadline, counts=counts, verdicts=[self._known(v) for v in self.verdicts],
        ))  # fmt: skip
        self.held = decision.reason
        match decision.action:
            case Action.SHADOW:
                self._enter(State.SHADOW, 0, "The shadow phase begins.")
            case Action.STEP:
                self._enter(State.CANARY, decision.step, decision.reason)
            case Action.ASK if decision.ask is Ask.STEP:
                self._enter(State.CANARY, decision.step, f"{decision.reason} Assumed: at once.")
            case Action.ASK if decision.ask is Ask.DEADLINE:
                return "awaiting", decision.reason
            case Action.ASK | Action.PROMOTE:
                return "promoted", decision.reason
            case Action.ROLL_BACK:
                return "rolled_back", decision.reason
        return None

    def _enter(self, state: State, step: int, words: str) -> None:
        self.state, self.step, self.began, self.in_phase = state, step, self.now, 0
        self.moves.append(Move(self.now, self.weight_bp, words))

    def _known(self, verdict: Verdict) -> Known:
        """Return what is known of one guardrail: what once reached its threshold has decided."""
        guard = next(guard for guard in self.plan.guardrails if guard.name == verdict.metric)
        if verdict.metric not in self.told:
            return Known(guard, Outcome.PASS, f"{guard.name} is not recorded; taken as passed.")
        before = self.highest.get(guard.name, (-math.inf, -math.inf))
        against, favour = max(before[0], verdict.evidence_against), max(before[1], verdict.evidence_for)
        self.highest[guard.name] = (against, favour)
        if self.state is State.CANARY:
            self.curves.setdefault(guard.name, []).append((self.now, verdict.evidence_against, verdict.evidence_for))
        outcome = verdict.outcome
        if against >= verdict.threshold:
            outcome = Outcome.FAIL
        elif favour >= verdict.pass_threshold and outcome is not Outcome.NO_DATA:
            outcome = Outcome.PASS
        return Known(guard, outcome, verdict.sentence, verdict.reason)

    def told_as(self, outcome: str, reason: str) -> Replay:
        """Return the story."""
        verdicts = [verdict for verdict in self.verdicts if verdict.metric in self.told]
        return Replay(outcome, self.now, reason, self.moves, verdicts, self.curves, self.unknown, self.total)
