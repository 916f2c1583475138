"""What to do with a rollout, from what is known. Pure: plan, counts and verdicts in, a decision and its reason out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from rollouts.plans.freezes import Frozen, frozen
from rollouts.plans.parts import Guardrail, Plan
from rollouts.states import Ask, State
from rollouts.verdicts import Outcome

QUIET = timedelta(seconds=60)  # without a request for so long nothing is known, and nobody would notice
SHADOWED = ("agreement", "pairs", "paired_errors")  # known from a shadow alone, and while it is asked
LABELLED = ("quality", "paired_quality")


class Action(StrEnum):
    """What to do next; ``hold`` is nothing."""

    HOLD = "hold"
    SHADOW = "shadow"
    STEP = "step"
    ASK = "ask"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Known:
    """One guardrail's latest verdict."""

    guard: Guardrail
    outcome: Outcome
    sentence: str
    reason: str = ""


@dataclass(frozen=True)
class Counts:
    """What the present phase has seen so far.

    Attributes:
        requests: answered by the candidate; of a shadow phase: pairs.
        callers: distinct keys that met the candidate.
        failures: of both arms.
        quiet: how long the candidate has had no request.
    """

    requests: int = 0
    callers: int = 0
    failures: int = 0
    quiet: timedelta = timedelta()


@dataclass(frozen=True)
class Gate:
    """One condition of going on: what it asks for, what there is, and whether that is enough."""

    name: str
    met: bool
    text: str


@dataclass(frozen=True)
class Situation:
    """Where a rollout stands, as far as a decision rests on it.

    Attributes:
        is_shadow: whether the phase, also that of a rollout that awaits a decision, is the shadow's.
        elapsed: since the phase began, without pauses.
        obstacle: why gateways cannot answer by the candidate yet; empty where they can.
        broken: why the candidate can never be served; empty where it can.
        deadline: when what is undecided waits for a person; None before the first phase.
        criteria: of the promotion, that are due before what comes next.
    """

    state: State
    step: int
    now: datetime
    elapsed: timedelta = timedelta()
    is_shadow: bool = False
    paused: bool = False
    obstacle: str = ""
    broken: str = ""
    deadline: datetime | None = None
    counts: Counts = Counts()
    verdicts: Sequence[Known] = ()
    criteria: Sequence[Gate] = ()


@dataclass(frozen=True)
class Decision:
    """What to do, and why in words.

    Attributes:
        step: which step begins, of ``step`` and of an ``ask`` about one.
        ask: what a person is asked.
        gates: the conditions of going on, met or not.
        silent: nothing was heard of the candidate for so long that somebody has to know.
    """

    action: Action
    reason: str
    step: int = 0
    ask: Ask | None = None
    gates: tuple[Gate, ...] = ()
    silent: bool = False


def decide(plan: Plan, at: Situation) -> Decision:
    """Return what to do next.

    A fail goes back from anywhere, also while paused or while a person is waited for. No data and no time alone ever advance. The step to 100% needs
    a pass of each guardrail that decides.
    """
    if at.broken:
        return Decision(Action.ROLL_BACK, at.broken)
    failed = [known for known in at.verdicts if known.outcome is Outcome.FAIL]
    if failed:
        return Decision(Action.ROLL_BACK, " ".join(known.sentence for known in failed))
    if at.state is State.PENDING:
        return _begin(plan, at)
    gates = gates_of(plan, at)
    silent = at.deadline is not None and at.counts.quiet >= QUIET
    if at.state is State.AWAITING:
        return Decision(Action.HOLD, "A person decides; a fail still goes back.", gates=gates, silent=silent)
    if at.paused:
        return Decision(Action.HOLD, "Paused. A fail still goes back.", gates=gates)
    go_on = _go_on(plan, at, gates)
    if at.deadline and at.now >= at.deadline and not all(gate.met for gate in gates):  # a freeze alone ends by itself
        go_on = Decision(Action.ASK, f"The time of the plan is over. {go_on.reason}", ask=Ask.DEADLINE)
    return replace(go_on, gates=gates, silent=silent)


def _begin(plan: Plan, at: Situation) -> Decision:
    if at.paused:
        return Decision(Action.HOLD, "Paused.")
    if at.obstacle:
        return Decision(Action.HOLD, at.obstacle)
    held = frozen(plan.freezes, at.now)
    if held:
        return Decision(Action.HOLD, _frozen(held))
    if plan.shadow:
        return Decision(Action.SHADOW, "Gateways have loaded the candidate; it is asked beside the champion.")
    return _step(plan, 0, "Gateways have loaded the candidate.")


def _go_on(plan: Plan, at: Situation, gates: Sequence[Gate]) -> Decision:
    unmet = [gate for gate in gates if not gate.met]
    if unmet:
        return Decision(Action.HOLD, _said(unmet, _missing(at)))
    held = frozen(plan.freezes, at.now)
    if held:
        return Decision(Action.HOLD, _frozen(held))
    if at.is_shadow:
        return _step(plan, 0, "The shadow phase is complete, and no guardrail fails.")
    if at.step + 1 < len(plan.steps):
        return _step(plan, at.step + 1, f"Step {at.step + 1} is complete, and no guardrail fails.")
    reason = "Every guardrail that decides has passed."
    if plan.promote_gate:
        return Decision(Action.ASK, f"{reason} The plan has a person take the last step.", ask=Ask.PROMOTE)
    return Decision(Action.PROMOTE, reason)


def _said(unmet: Sequence[Gate], missing: Sequence[Known]) -> str:
    """Return why a phase goes on: guardrails that lack the same are named together, and no reason is told twice."""
    lacking: dict[str, list[str]] = {}
    for known in missing:
        lacking.setdefault(known.reason, []).append(known.guard.name)
    together = [f"{', '.join(names)}: no data. {why}".strip() for why, names in lacking.items()]
    told = {f"{gate}:{known.guard.name}" for known in missing for gate in ("data", "pass")}
    first = next((place for place, gate in enumerate(unmet) if gate.name in told), 0)
    texts = [gate.text for gate in unmet if gate.name not in told]
    return " ".join([*texts[:first], *together, *texts[first:]])


def _step(plan: Plan, step: int, why: str) -> Decision:
    if plan.steps[step].gate:
        return Decision(Action.ASK, f"{why} The plan has a person let step {step + 1} begin.", step, Ask.STEP)
    return Decision(Action.STEP, why, step)


def gates_of(plan: Plan, at: Situation) -> tuple[Gate, ...]:
    """Return what the present phase still needs before the next one, met or not."""
    if at.is_shadow:
        assert plan.shadow  # noqa: S101  or there would be no such phase
        gates = [
            _time(at, plan.shadow.duration_s),
            _count("pairs", at.counts.requests, plan.shadow.min_pairs, "pairs of answers"),
        ]
        return (*gates, *_data(at), *_passes(at, SHADOWED), *at.criteria)
    step = plan.steps[at.step]
    gates = [
        _time(at, step.hold_s),
        _count("requests", at.counts.requests, step.min_requests, "answers by the candidate"),
    ]
    if step.min_callers or step.min_failures:
        gates.append(_exposure(at.counts, step.min_callers, step.min_failures))
    gates += _data(at)
    if at.step + 1 == len(plan.steps):
        gates += _passes(at)
    return (*gates, *at.criteria)


def _time(at: Situation, asked_s: int) -> Gate:
    asked = timedelta(seconds=asked_s)
    met = at.elapsed >= asked
    left = "" if met else f", {duration(asked - at.elapsed)} to go"
    return Gate("hold", met, f"Holds for {duration(asked)}{left}.")


def _count(name: str, have: int, asked: int, what: str) -> Gate:
    return Gate(name, have >= asked, f"{have:,} of {asked:,} {what}.")


def _exposure(counts: Counts, callers: int, failures: int) -> Gate:
    """Return the gate of enough callers or enough failures, whichever the plan asks for is met first."""
    asked = [
        (counts.callers, callers, "callers met the candidate"),
        (counts.failures, failures, "failures of both arms"),
    ]
    asked = [one for one in asked if one[1]]
    text = ", or ".join(f"{have:,} of {wanted:,} {what}" for have, wanted, what in asked)
    return Gate("exposure", any(have >= wanted for have, wanted, _ in asked), f"{text}.")


def _data(at: Situation) -> list[Gate]:
    """Return an unmet gate for each guardrail that should know something in this phase by now, and does not."""
    return [
        Gate(f"data:{known.guard.name}", False, f"{known.guard.name}: no data. {known.reason}".strip())
        for known in _missing(at)
    ]


def _missing(at: Situation) -> list[Known]:
    """Return what is known of each guardrail that should know something in this phase by now, and does not."""
    return [
        known
        for known in at.verdicts
        if known.outcome is Outcome.NO_DATA
        and (known.guard.kind in SHADOWED) == at.is_shadow
        and known.guard.kind not in LABELLED  # labels may come long after: its pass is what the last step asks for
    ]


def _passes(at: Situation, kinds: Sequence[str] = ()) -> list[Gate]:
    """Return a gate for each guardrail that decides, of ``kinds`` where any are given."""
    return [
        Gate(
            f"pass:{known.guard.name}",
            known.outcome is Outcome.PASS,
            known.sentence or f"{known.guard.name} has to pass.",
        )
        for known in at.verdicts
        if known.guard.decides and (not kinds or known.guard.kind in kinds)
    ]


def _frozen(held: Frozen) -> str:
    return f"Frozen until {held.until:%d %b %Y %H:%M %Z}: {held.reason}"


def duration(span: timedelta) -> str:
    """Return a span in words: seconds below two minutes, minutes below two hours, then hours and days."""
    seconds = max(round(span.total_seconds()), 0)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} s"
