"""What a pipeline takes and gives back. Pure: no ORM, no tracking, no settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from serving.contract import Calibration, Quantiles


@dataclass(frozen=True)
class TrainingRows:
    """The rows a pipeline may see: it learns from the first part and stops or tunes by the second, later one.

    Attributes:
        train, validation: features alone.
        train_labels, validation_labels: the target.
        roles: {role: column} of those columns in ``train_context`` and ``validation_context``, such as query, series and time.
        documents: of a retrieval, all that may be found, of whatever split: id, title and text alone, in order of their ids.
        cluster: the Dask cluster whose workers train, for pipelines that can; empty: this process does.
    """

    train: pd.DataFrame
    train_labels: "pd.Series[Any]"
    validation: pd.DataFrame
    validation_labels: "pd.Series[Any]"
    categorical: list[str]
    train_context: pd.DataFrame = field(default_factory=pd.DataFrame)
    validation_context: pd.DataFrame = field(default_factory=pd.DataFrame)
    roles: Mapping[str, str] = field(default_factory=dict)
    documents: pd.DataFrame = field(default_factory=pd.DataFrame)
    cluster: str = ""

    @property
    def context(self) -> pd.DataFrame:
        """The columns that have a role, of the training rows and then of the validation rows."""
        both = pd.concat([self.train_context, self.validation_context], ignore_index=True)
        return both if len(both) else pd.DataFrame(index=range(len(self.train) + len(self.validation)))

    def part(self, learn: npt.NDArray[np.int64], validate: npt.NDArray[np.int64]) -> "TrainingRows":
        """Return the rows at these places, counted through the training rows and on through the validation rows."""
        features = pd.concat([self.train, self.validation], ignore_index=True)
        labels = pd.concat([self.train_labels, self.validation_labels], ignore_index=True)
        context = self.context
        return TrainingRows(
            features.iloc[learn], labels.iloc[learn], features.iloc[validate], labels.iloc[validate], self.categorical,
            context.iloc[learn], context.iloc[validate], self.roles,
        )  # fmt: skip

    @property
    def numeric(self) -> list[str]:
        """The features that are no categories, in order."""
        return [name for name in self.train.columns if name not in self.categorical]


class Report(Protocol):
    """Where a pipeline tells how far it is."""

    def progress(self, share: float, phase: str) -> None:
        """Tell the share of the training done; may raise to stop it."""

    def metric(self, name: str, value: float, step: int) -> None:
        """Tell one point of a learning curve; may raise to stop a training that is not worth going on.

        A search for good parameters stops trials early by the curve of its objective on the validation rows: ``validation_average_precision``,
        ``validation_l1`` and the like (``experiments.searching.objectives`` lists them), with rounds counted from 1.
        """


Method = Literal["predict_proba", "predict", "score_samples", "search"]


@dataclass(frozen=True)
class Trained:
    """What a pipeline made.

    Attributes:
        estimator: a fitted scikit-learn estimator that takes the features as they are, categories as text; for those who load the
            model with scikit-learn or MLflow. Or a retriever.
        method: what of it answers: probabilities of two classes, one number a row, or how normal a row is (the gateway answers
            the opposite: how anomalous). A retriever is searched.
        inputs: the columns that it takes, in order; None: all features.
        parameters: of the signature, such as the default and the longest horizon of a forecast.
        booster: the same model as a booster of LightGBM or XGBoost, for the gateway; None where it is another kind.
        importance: each feature's share of the total.
        quantiles: of a forecast, what lies around it; None where nothing is known of that.
        facts: what was found on the way, such as the number of trees.
        calibration: what sets the booster's probability right; the estimator has it inside.
    """

    estimator: Any
    booster: Any
    importance: dict[str, float]
    facts: dict[str, float] = field(default_factory=dict)
    method: Method = "predict_proba"
    inputs: list[str] | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    calibration: Calibration | None = None
    quantiles: Quantiles | None = None

    def scores(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return what the gateway answers for each row, (n,): probability of the second class, value, or how anomalous it is."""
        given = rows if self.inputs is None else rows[self.inputs]
        answer = np.asarray(getattr(self.estimator, self.method)(given), dtype=np.float64)
        if self.method == "predict_proba":
            return answer[:, 1]
        return -answer if self.method == "score_samples" else answer


def shares(weights: dict[str, float]) -> dict[str, float]:
    """Return the weights scaled to add up to 1, largest first; all zero where there is no weight at all."""
    total = sum(weights.values()) or 1.0
    return {name: weight / total for name, weight in sorted(weights.items(), key=lambda item: -item[1])}
