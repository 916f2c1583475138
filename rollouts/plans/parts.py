"""What a rollout's plan is made of. Pure: no ORM, clock or settings."""

from typing import Literal

import msgspec

from serving.contract import BASIS_POINTS

Kind = Literal[
    "errors", "timeouts", "slow", "output", "mean", "agreement", "pairs", "paired_errors", "paired_quality", "quality"
]  # fmt: skip


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
        kind: what is counted; see ``monitoring.trials.guards``. Paired errors and quality are those of the shadow's pairs: which of both answered,
            and which was right.
        margin: of failures: the risk ratio that a pass rules out, of paired ones the odds; of means, pairs and quality: the difference that is allowed; of
            agreement: the least share.
        decides: whether the step to 100% needs this one's pass; a fail rolls back either way.
        alpha_share: its part of the plan's alpha relative to the others'.
        threshold_ms: of ``slow``: 0 is the champion's 99th percentile before the rollout; of ``timeouts``: what is late beside a 504.
        output: the name of the version's output, where the kind looks at one; empty: the first.
        above, below: of ``output``: what is counted as an event, one of both.
        cut: of ``agreement``, ``paired_quality`` and the loss ``correct``: the score from which on it decides yes; None compares labels, or numbers
            within ``tolerance``.
        higher_is_better: of ``mean`` and ``pairs``: None where neither direction is.
        loss: of ``quality``.
        maturity_s: of ``quality`` and ``paired_quality``: a prediction's age from which on its label is expected.
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
