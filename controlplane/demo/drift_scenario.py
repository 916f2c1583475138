"""The drift scenario: what is told of it, the model's criteria, and the policies that watch over it."""

from dataclasses import dataclass
from typing import Any

from monitoring.retraining.states import State

LIMIT = 0.65  # of the area under the ROC curve; the champion has some 0.75 in the season that it knows
DRIFTED = 3  # features; the weather changes four
AT_LEAST = 1_500  # labelled predictions that a retraining takes
WINDOW_DAYS = 15 / 1440
MATURITY_S = 3  # labels take some two seconds at the scenario's clock
FAST_CLOCK = 10_000.0
TREES: dict[str, Any] = {"trees": 80, "patience": 20, "learning_rate": 0.1, "rows_per_leaf": 30}


@dataclass(frozen=True)
class DriftScenario:
    """The course of events in which a model is trained anew by itself."""

    name: str = "drift"
    title: str = "A champion that the world has left behind"
    shows: str = (
        "The weather turns, and with it who is late. Inputs drift, labels tell that quality falls, and the model's policy trains a "
        "version on the latest labelled predictions. It beats the champion on rows that neither has seen, so it is proposed; the "
        "approver agrees, and quality recovers."
    )
    model: str = "rehearsal-drift"
    dataset: str = "rehearsal-drift-recent"
    ends: State = State.PROMOTED

    @property
    def path(self) -> str:
        """The address of its model, which its jobs are about."""
        return f"/models/{self.model}/"

    def policy(self) -> dict[str, Any]:
        """Return the retraining policy."""
        quality = {"kind": "quality", "metric": "roc_auc", "below": LIMIT, "span_s": 3600, "early": True}
        return {
            "when": {"kind": "all", "conditions": [quality, {"kind": "drift", "features": DRIFTED}]}, "pipeline": "lightgbm", "params": TREES,
            "dataset": self.dataset, "window_days": WINDOW_DAYS, "maturity_s": MATURITY_S, "min_labels": AT_LEAST,
            "cooldown_s": 60, "runs_per_week": 50, "look_every_s": 3,
        }  # fmt: skip


DRIFT = DriftScenario()
CRITERIA: list[dict[str, Any]] = [
    {
        "metric": "average_precision", "direction": "at_least", "threshold": 0.0, "basis": "interval",
        "against_champion": True,
        "reason": "A version that was trained by itself must surely be better than the one that serves.",
    },
    {
        "metric": "roc_auc", "direction": "at_least", "threshold": 0.6, "basis": "value",
        "reason": "Warnings must be far better than chance, in whatever season.",
    },
]  # fmt: skip
