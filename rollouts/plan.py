"""A rollout's plan: which phases and steps, what is watched meanwhile, and what happens then. Pure: no ORM, clock or settings."""

from typing import Any, Literal

import msgspec

from serving.contract import BASIS_POINTS

Kind = Literal["errors", "timeouts", "slow", "output", "mean", "agreement", "pairs", "quality"]


class PlanError(ValueError):
    """The plan contradicts itself; ``field`` says where, such as ``steps[1].weight_bp``."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Guardrail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One metric that a candidate must not worsen.

    Attributes:
        name: unique within the plan.
        kind: what is counted; see ``monitoring.guards``.
        margin: of failures: the risk ratio that a pass rules out; of means: the allowed difference; of agreement: the least share.
        decides: whether the step to 100% needs this one's pass; a fail rolls back either way.
        alpha_share: its part of the plan's alpha relative to the others'.
        threshold_ms: of ``slow``: 0 is the champion's 99th percentile before the rollout.
        output: of ``output``, ``mean``, ``agreement`` and ``pairs``: the name of the version's output; empty: its score.
        above, below: of ``output``: what is counted as an event.
        cut: of ``agreement``: the score from which on it decides yes; None compares labels, or numbers within ``tolerance``.
        higher_is_better: of ``mean`` and ``pairs``: None where neither direction is.
        loss: of ``quality``.
        maturity_s: of ``quality``: a prediction's age from which on its label is expected.
    """

    name: str
    kind: Kind
    margin: float = 2.0
    decides: bool = True
    alpha_share: float = 1.0
    threshold_ms: float = 0.0
    output: str = ""
    above: float | None = None
    below: float | None = None
    cut: float | None = None
    tolerance: float = 0.0
    higher_is_better: bool | None = None
    loss: Literal["", "correct", "absolute_error", "squared_error", "log_loss"] = ""
    maturity_s: int = 0


class Shadow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The candidate is asked beside the champion, and answers nobody."""

    share_bp: int = BASIS_POINTS
    duration_s: int = 3600
    min_pairs: int = 1000


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The candidate answers a share of the callers.

    Attributes:
        weight_bp: that share; the way to 10,000 is the last step's pass, and no step of the plan.
        hold_s: at least so long.
        min_requests: answered by the candidate in this step.
        min_callers: distinct keys that met the candidate; or ``min_failures`` of both arms, whichever is met.
        gate: whether a person lets it begin.
    """

    weight_bp: int
    hold_s: int = 1800
    min_requests: int = 1000
    min_callers: int = 0
    min_failures: int = 0
    gate: bool = False


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """While it lasts nothing begins and no step advances; a fail still rolls back.

    Either once, ``starts_at`` to ``ends_at`` (ISO 8601 with offset), or every week on ``days`` (0 is Monday) from ``from_time`` to
    ``to_time`` ("18:00") in ``time_zone``.
    """

    reason: str
    starts_at: str = ""
    ends_at: str = ""
    days: list[int] = []
    from_time: str = ""
    to_time: str = ""
    time_zone: str = "UTC"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a version is rolled out.

    Attributes:
        alpha: the chance, over all guardrails and looks together, to roll back a version that is no worse.
        shadow: None leaves this phase out.
        promote_gate: whether a person takes the last step, from a pass to 100%.
        key_column: the input column that routes where callers send no X-Route-Key.
        max_duration_s: what is undecided then, waits for a person.
    """

    steps: list[Step]
    guardrails: list[Guardrail]
    alpha: float = 0.05
    shadow: Shadow | None = None
    promote_gate: bool = False
    key_column: str = ""
    freezes: list[Freeze] = []
    max_duration_s: int = 7 * 86_400


def read_plan(document: Any) -> Plan:
    """Return the plan that a document of plain values holds.

    Raises:
        PlanError: a value is missing, unknown, of another type or contradicts another one.
    """
    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        raise PlanError(where.rstrip("`").lstrip(".") or "plan", message) from None
    return check_plan(plan)


def check_plan(plan: Plan) -> Plan:
    """Return ``plan`` if it is sound.

    Raises:
        PlanError: names the first field that is not.
    """
    if not 0 < plan.alpha < 1:
        raise PlanError("alpha", "a chance between 0 and 1, such as 0.05")
    if not plan.steps:
        raise PlanError("steps", "at least one step, such as 5% for half an hour")
    before = 0
    for i, step in enumerate(plan.steps):
        if not before < step.weight_bp < BASIS_POINTS:
            raise PlanError(
                f"steps[{i}].weight_bp", f"between {before} and {BASIS_POINTS} basis points, growing from step to step"
            )
        before = step.weight_bp
    if not plan.guardrails:
        raise PlanError("guardrails", "at least one: without any nothing is ever known")
    names = [guard.name for guard in plan.guardrails]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise PlanError(f"guardrails[{i}].name", f"{name} is there already")
    return plan


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values, as it is kept."""
    document: dict[str, Any] = msgspec.to_builtins(plan)
    return document
