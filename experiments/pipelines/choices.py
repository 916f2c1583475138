"""What may be chosen of each way to train: typed, with limits, labels and defaults.

A parameter's ``search`` is the range that a search for good values begins with: (lowest, highest), with "log" where ratios count
rather than differences. Those without it stay as they are chosen. It stands last on a form, or ``after`` another one; a class that
changes a default keeps what its bases say of it.
"""

from dataclasses import dataclass, field

CALIBRATIONS = {
    "none": "as the model says",
    "sigmoid": "sigmoid: two numbers, for a few hundred rows or more",
    "isotonic": "isotonic: any rising curve, for thousands of rows",
}


@dataclass(frozen=True)
class FoldParams:
    """How a model is tried on several stretches of its data before it is trained for good."""

    folds: int = field(
        default=0,
        metadata={
            "label": "Folds of cross-validation", "help": "each is a training of its own, measured on later rows; 0: none", "min": 0, "max": 20,
        },
    )  # fmt: skip
    fold_window: str = field(
        default="expanding",
        metadata={
            "label": "Folds learn from", "choices": {
                "expanding": "all rows before", "rolling": "a window of the same number of rows",
            },
        },
    )  # fmt: skip
    fold_gap_hours: float = field(
        default=0.0,
        metadata={
            "label": "Gap before measured rows, in hours", "help": "as long as labels take: what happened in it was not known yet",
            "min": 0.0, "max": 87_600,
        },
    )  # fmt: skip


@dataclass(frozen=True)
class ClassifierParams(FoldParams):
    """What may be chosen of every classifier."""

    calibration: str = field(
        default="none",
        metadata={
            "label": "Calibration", "help": "fitted on the newest half of the validation rows, which then stop nothing",
            "choices": CALIBRATIONS,
        },
    )  # fmt: skip

    positive_weight: float = field(
        default=1.0,
        metadata={
            "label": "Weight of positives", "help": "above 1 finds more of them, and probabilities become too high", "min": 0.01,
            "max": 10_000,
        },
    )  # fmt: skip


@dataclass(frozen=True)
class LogisticParams:
    """What may be chosen of a logistic regression.

    Classes are not weighted: on the flights data weighting lowered average precision and left probabilities four times
    too high, while the alert threshold is set by rank anyway.
    """

    inverse_penalty: float = field(
        default=0.03,
        metadata={"label": "Inverse penalty C", "help": "smaller means a simpler model", "min": 1e-4, "max": 1e3, "search": (1e-3, 10.0, "log")},
    )  # fmt: skip
    rare_below: int = field(
        default=50,
        metadata={"label": "Rare category below", "help": "rarer values of a category share one weight", "min": 1, "search": (5, 200, "log")},
    )  # fmt: skip
    max_iterations: int = field(default=500, metadata={"label": "Iterations at most", "min": 10, "max": 10_000})


@dataclass(frozen=True)
class BaselineParams(ClassifierParams, LogisticParams):
    """What may be chosen."""


@dataclass(frozen=True)
class BoostingParams:
    """What may be chosen of boosted trees, whichever library grows them and whatever they are fitted to."""

    trees: int = field(default=500, metadata={"label": "Trees at most", "min": 1, "max": 10_000})
    patience: int = field(
        default=50,
        metadata={"label": "Patience", "help": "stop after so many trees without gain on validation", "min": 1},
    )
    learning_rate: float = field(
        default=0.05, metadata={"label": "Learning rate", "min": 0.001, "max": 1.0, "search": (0.01, 0.3, "log")}
    )
    leaves: int = field(
        default=15, metadata={"label": "Leaves per tree", "min": 2, "max": 1024, "search": (4, 128, "log")}
    )
    feature_share: float = field(
        default=0.7, metadata={"label": "Share of features per tree", "min": 0.05, "max": 1.0, "search": (0.3, 1.0)}
    )
    row_share: float = field(
        default=0.8, metadata={"label": "Share of rows per tree", "min": 0.05, "max": 1.0, "search": (0.5, 1.0)}
    )
    penalty: float = field(default=1.0, metadata={"label": "L2 penalty", "min": 0.0, "search": (0.01, 100.0, "log")})
    seed: int = field(default=7, metadata={"label": "Seed", "help": "the same seed gives the same model", "min": 0})


@dataclass(frozen=True)
class TreeParams(BoostingParams):
    """What may be chosen of LightGBM's trees."""

    rows_per_leaf: int = field(
        default=50, metadata={"label": "Rows per leaf at least", "min": 1, "search": (5, 300, "log"), "after": "leaves"}
    )
    category_smoothing: float = field(
        default=10.0, metadata={"label": "Smoothing of categories", "min": 0.0, "search": (1.0, 200.0, "log"), "after": "penalty"}
    )  # fmt: skip


@dataclass(frozen=True)
class BoostedClassifierParams(ClassifierParams, BoostingParams):
    """What may be chosen of boosted trees that classify.

    Classes are not weighted by default: the trees are fitted to the likelihood, so their output stays a probability.
    """

    trees: int = 1000
    feature_share: float = field(default=0.5, metadata={"search": (0.2, 1.0)})
    penalty: float = field(default=10.0, metadata={"search": (0.1, 300.0, "log")})


@dataclass(frozen=True)
class BoostedParams(BoostedClassifierParams, TreeParams):
    """What may be chosen."""

    rows_per_leaf: int = field(default=200, metadata={"search": (20, 1000, "log")})
    category_smoothing: float = field(default=50.0, metadata={"search": (1.0, 300.0, "log")})


@dataclass(frozen=True)
class XGBoostParams(BoostedClassifierParams):
    """What may be chosen."""

    leaf_weight: float = field(
        default=15.0,
        metadata={
            "label": "Weight of a leaf at least", "help": "sum of p · (1 - p) over its rows: the rarer positives are, the more rows it takes",
            "min": 0.0, "search": (1.0, 100.0, "log"), "after": "leaves",
        },
    )  # fmt: skip


@dataclass(frozen=True)
class RankedParams(TreeParams):
    """What may be chosen."""

    depth: int = field(
        default=30,
        metadata={"label": "Places that count", "help": "pairs below this place are not learnt from", "min": 1, "search": (10, 60)},
    )  # fmt: skip


@dataclass(frozen=True)
class RegressedParams(FoldParams, TreeParams):
    """What may be chosen."""

    robust: bool = field(
        default=False,
        metadata={"label": "Fit the median", "help": "absolute instead of squared error: outliers count less"},
    )


@dataclass(frozen=True)
class SeasonalParams:
    """What may be chosen."""

    season: int = field(
        default=4,
        metadata={"label": "Season", "help": "steps: 4 for quarters, 7 for days, 12 for months", "min": 1, "max": 366},
    )
    horizon: int = field(
        default=8,
        metadata={"label": "Horizon", "help": "steps that are forecast where nothing is said", "min": 1, "max": 366},
    )
    longest: int = field(default=24, metadata={"label": "Longest horizon", "min": 1, "max": 366})
    levels: int = field(
        default=19,
        metadata={"label": "Quantiles", "help": "evenly spaced levels around each forecast: 19 are 5%, 10% … 95%; 0: none", "min": 0, "max": 99},
    )  # fmt: skip


@dataclass(frozen=True)
class ForecastParams(SeasonalParams, TreeParams):
    """What may be chosen.

    Leaves are linear in the lags, so that series of any size are followed, and trends beyond what training saw.
    """

    leaves: int = field(default=7, metadata={"search": (3, 48, "log")})
    shrinkage: float = field(
        default=0.1,
        metadata={"label": "Shrinkage of linear leaves", "min": 0.0, "search": (0.001, 10.0, "log"), "after": "seed"},
    )
    season: int = field(default=4, metadata={"after": "longest"})
    longest: int = field(default=24, metadata={"help": "of a model that goes on from its own answers"})
    smoothed_series: int = field(
        default=5,
        metadata={"label": "Series for exponential smoothing", "help": "drawn to hold the model beside it; 0: none", "min": 0, "max": 1000},
    )  # fmt: skip


@dataclass(frozen=True)
class IsolatedParams:
    """What may be chosen."""

    trees: int = field(default=300, metadata={"label": "Trees", "min": 10, "max": 5_000})
    rows_per_tree: int = field(
        default=256,
        metadata={
            "label": "Rows per tree",
            "help": "few are enough: anomalies are what few cuts isolate",
            "min": 2,
            "max": 100_000,
            "search": (64, 4096, "log"),
        },
    )
    feature_share: float = field(
        default=1.0, metadata={"label": "Share of features per tree", "min": 0.05, "max": 1.0, "search": (0.3, 1.0)}
    )
    rare_below: int = field(
        default=50,
        metadata={"label": "Rare category below", "help": "rarer values of a category count as one", "min": 1},
    )
    seed: int = field(default=7, metadata={"label": "Seed", "help": "the same seed gives the same model", "min": 0})
