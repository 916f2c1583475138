"""What a search makes better, by the task of its model."""

from dataclasses import dataclass

MAXIMIZE, MINIMIZE = "maximize", "minimize"


@dataclass(frozen=True)
class Objective:
    """One metric on the validation rows.

    Attributes:
        metric: its name in evidence; a run holds it as ``validation_<metric>``.
        curve: the learning curve that stands for it while a trial runs; it has the same direction.
    """

    metric: str
    label: str
    direction: str
    curve: str

    @property
    def measured(self) -> str:
        """Its name among the metrics of a run."""
        return f"validation_{self.metric}"


_PRECISION = Objective("average_precision", "Average precision", MAXIMIZE, "validation_average_precision")
_AREA = Objective("roc_auc", "Area under the ROC curve", MAXIMIZE, "validation_average_precision")

OBJECTIVES: dict[str, tuple[Objective, ...]] = {
    "classification": (
        _PRECISION, _AREA, Objective("brier_score", "Brier score", MINIMIZE, "validation_binary_logloss"),
    ),
    "anomaly": (_PRECISION, _AREA),
    "ranking": (
        Objective("ndcg_at_10", "nDCG at 10", MAXIMIZE, "validation_ndcg_at_10"),
        Objective("mean_reciprocal_rank", "Mean reciprocal rank", MAXIMIZE, "validation_ndcg_at_10"),
    ),
    "regression": (
        Objective("mean_absolute_error", "Mean absolute error", MINIMIZE, "validation_l1"),
        Objective("root_mean_squared_error", "Root mean squared error", MINIMIZE, "validation_l2"),
    ),
    "forecasting": (Objective("mase", "MASE", MINIMIZE, "validation_l1"),),
}  # fmt: skip


def objective_of(task: str, metric: str) -> Objective:
    """Return the objective of that name.

    Raises: KeyError: the task has no such objective.
    """
    found = {one.metric: one for one in OBJECTIVES.get(task, ())}
    return found[metric]
