"""Which ways to train there are, and what may be chosen of each.

The libraries that train are imported when a pipeline is first run, so that the web process, which only shows and checks
the choices, does not spend the seconds and memory that they take.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast

from experiments.pipelines.contract import Report, Trained, TrainingRows

Train = Callable[[TrainingRows, Any, Report], Trained]


@dataclass(frozen=True)
class BaselineParams:
    """What may be chosen.

    Classes are not weighted: on the flights data weighting lowered average precision and left probabilities four times
    too high, while the alert threshold is set by rank anyway.
    """

    inverse_penalty: float = field(
        default=0.03,
        metadata={"label": "Inverse penalty C", "help": "smaller means a simpler model", "min": 1e-4, "max": 1e3},
    )
    rare_below: int = field(
        default=50,
        metadata={"label": "Rare category below", "help": "rarer values of a category share one weight", "min": 1},
    )
    max_iterations: int = field(default=500, metadata={"label": "Iterations at most", "min": 10, "max": 10_000})


@dataclass(frozen=True)
class BoostedParams:
    """What may be chosen.

    Classes are not weighted: the trees are fitted to the likelihood, so their output stays a probability.
    """

    trees: int = field(default=1000, metadata={"label": "Trees at most", "min": 1, "max": 10_000})
    patience: int = field(
        default=50,
        metadata={"label": "Patience", "help": "stop after so many trees without gain on validation", "min": 1},
    )
    learning_rate: float = field(default=0.05, metadata={"label": "Learning rate", "min": 0.001, "max": 1.0})
    leaves: int = field(default=15, metadata={"label": "Leaves per tree", "min": 2, "max": 1024})
    rows_per_leaf: int = field(default=200, metadata={"label": "Rows per leaf at least", "min": 1})
    feature_share: float = field(default=0.5, metadata={"label": "Share of features per tree", "min": 0.05, "max": 1.0})
    row_share: float = field(default=0.8, metadata={"label": "Share of rows per tree", "min": 0.05, "max": 1.0})
    penalty: float = field(default=10.0, metadata={"label": "L2 penalty", "min": 0.0})
    category_smoothing: float = field(default=50.0, metadata={"label": "Smoothing of categories", "min": 0.0})
    seed: int = field(default=7, metadata={"label": "Seed", "help": "the same seed gives the same model", "min": 0})


@dataclass(frozen=True)
class TrainingPipeline:
    """A way to train.

    Attributes:
        params: a dataclass that declares what may be chosen.
        module: where its ``train`` function is.
    """

    name: str
    title: str
    description: str
    params: type
    module: str

    def train(self, rows: TrainingRows, params: Any, report: Report) -> Trained:
        """Train on ``rows``; ``params`` is an instance of the declared dataclass."""
        return cast("Train", import_module(self.module).train)(rows, params, report)


BASELINE = TrainingPipeline(
    name="baseline",
    title="Logistic regression (scikit-learn)",
    description="Imputed and scaled numbers, one-hot categories, one weight each. Quick, plain, well calibrated.",
    params=BaselineParams,
    module="experiments.pipelines.baseline",
)

BOOSTED = TrainingPipeline(
    name="lightgbm",
    title="Gradient-boosted trees (LightGBM)",
    description="Learns thresholds and interactions, takes missing values and categories as they are.",
    params=BoostedParams,
    module="experiments.pipelines.boosted",
)

PIPELINES = {pipeline.name: pipeline for pipeline in (BASELINE, BOOSTED)}
