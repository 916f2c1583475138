"""What can go well and badly with a candidate: four scenarios, each with a model, a candidate and a plan of its own.

Nothing but the candidate makes the difference: it is a real file that fails, dawdles or does neither, and what becomes of it is found
out by the gateway's records alone.
"""

from dataclasses import dataclass, field
from typing import Any

from rollouts.states import State

# A pass needs events to compare, and no request to a sound version fails. So what decides is how often travellers are warned, which
# happens to one in fifteen; errors and slow answers go back where they rise, and are not waited for.
ERRORS: dict[str, Any] = {"name": "errors", "kind": "errors", "decides": False}
SLOW: dict[str, Any] = {"name": "answers above 20 ms", "kind": "slow", "threshold_ms": 20.0, "decides": False}
WARNED: dict[str, Any] = {"name": "warnings", "kind": "output", "above": 0.2}
SCORE: dict[str, Any] = {"name": "mean probability", "kind": "mean", "margin": 0.02}
ALIKE: dict[str, Any] = {"name": "same warnings", "kind": "agreement", "margin": 0.9, "cut": 0.2}
CERTAIN: dict[str, Any] = {"name": "near-certain delays", "kind": "output", "above": 0.8}

PHASE_S = 20
FEWEST_ANSWERS = 50  # by the candidate in a step, before the next
SHADOW: dict[str, Any] = {"share_bp": 5000, "duration_s": PHASE_S, "min_pairs": 300}
WEIGHTS_BP = (500, 2000, 5000)
SHORTEST_S = 60  # a plan's duration
AMPLE_S, SCARCE_S = 3600, 120


@dataclass(frozen=True)
class Scenario:
    """One course of events.

    Attributes:
        shows: what one sees, for the page.
        graph: the function of ``graphs`` that makes the candidate of its trees.
        guardrails: of the plan.
        ends: the rollout's state that the scenario ends with.
    """

    name: str
    title: str
    shows: str
    guardrails: list[dict[str, Any]]
    ends: State
    graph: str = "graph_of"
    shadow: bool = False
    weights_bp: tuple[int, ...] = WEIGHTS_BP
    lasts_s: int = AMPLE_S
    model: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", f"rehearsal-{self.name}")

    @property
    def path(self) -> str:
        """The address of its model, which its jobs are about."""
        return f"/models/{self.model}/"

    def plan(self, speed: float) -> dict[str, Any]:
        """Return the rollout's plan, all its times divided by ``speed``."""

        def scaled(seconds: int) -> int:
            return max(round(seconds / speed), 1)

        phase = {"shadow": {**SHADOW, "duration_s": scaled(PHASE_S)}} if self.shadow else {}
        steps = [
            {"weight_bp": weight, "hold_s": scaled(PHASE_S), "min_requests": FEWEST_ANSWERS}
            for weight in self.weights_bp
        ]
        lasts = max(scaled(self.lasts_s), SHORTEST_S)
        return {**phase, "steps": steps, "guardrails": self.guardrails, "max_duration_s": lasts}


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="good",
            title="A good candidate",
            shows="A retrained version runs as a shadow, then answers 5, 20 and 50% of the travellers. It warns no more of them than the "
            "champion does, so it becomes champion by itself.",
            guardrails=[ERRORS, SLOW, WARNED, SCORE, ALIKE],
            ends=State.PROMOTED,
            shadow=True,
        ),
        Scenario(
            name="errors",
            title="A candidate that fails",
            shows="A version looks up a correction by air pressure, in a table that ends too early. Summer's rows never reach its end, so "
            "it was approved; of winter's, one in seventeen fails. The rollout goes back by itself.",
            guardrails=[ERRORS, SLOW, WARNED],
            ends=State.ROLLED_BACK,
            graph="with_short_table",
        ),
        Scenario(
            name="latency",
            title="A candidate that dawdles",
            shows="A version computes something dear wherever it freezes: tens of milliseconds for one row in ten, and none of those on "
            "which it was measured. The rollout goes back by itself.",
            guardrails=[ERRORS, SLOW, WARNED],
            ends=State.ROLLED_BACK,
            graph="with_dear_term",
        ),
        Scenario(
            name="inconclusive",
            title="A candidate of which too little is known",
            shows="The plan asks whether near-certain delays are told no more often. They are told once in a thousand requests, and the plan "
            "is over before that is known: the rollout stops at 50% and waits for you.",
            guardrails=[ERRORS, SLOW, WARNED, CERTAIN],
            ends=State.AWAITING,
            weights_bp=(2000, 5000),
            lasts_s=SCARCE_S,
        ),
    )
}  # fmt: skip
