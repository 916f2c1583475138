"""What a pipeline takes and gives back. Pure: no ORM, no tracking, no settings."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class TrainingRows:
    """The rows a pipeline may see: it learns from the first part and stops or tunes by the second, later one."""

    train: pd.DataFrame
    train_labels: "pd.Series[int]"
    validation: pd.DataFrame
    validation_labels: "pd.Series[int]"
    categorical: list[str]

    @property
    def numeric(self) -> list[str]:
        """The features that are no categories, in order."""
        return [name for name in self.train.columns if name not in self.categorical]


class Report(Protocol):
    """Where a pipeline tells how far it is."""

    def progress(self, share: float, phase: str) -> None:
        """Tell the share of the training done; may raise to stop it."""

    def metric(self, name: str, value: float, step: int) -> None:
        """Tell one point of a learning curve."""


class Estimator(Protocol):
    """A fitted scikit-learn classifier that takes the features as they are, categories as text."""

    def predict_proba(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return (n, 2) probabilities."""


@dataclass(frozen=True)
class Trained:
    """What a pipeline made.

    Attributes:
        estimator: for those who load the model with scikit-learn or MLflow.
        booster: the same model as a LightGBM booster, for the gateway; None where it is another kind.
        importance: each feature's share of the total.
        facts: what was found on the way, such as the number of trees.
    """

    estimator: Estimator
    booster: Any
    importance: dict[str, float]
    facts: dict[str, float] = field(default_factory=dict)


def shares(weights: dict[str, float]) -> dict[str, float]:
    """Return the weights scaled to add up to 1, largest first; all zero where there is no weight at all."""
    total = sum(weights.values()) or 1.0
    return {name: weight / total for name, weight in sorted(weights.items(), key=lambda item: -item[1])}
