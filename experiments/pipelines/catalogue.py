"""Which ways to train there are.

The libraries that train are imported when a pipeline is first run, so that the web process, which only shows and checks
the choices, does not spend the seconds and memory that they take.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from experiments.pipelines.choices import (
    BaselineParams,
    BoostedParams,
    ForecastParams,
    IsolatedParams,
    RankedParams,
    RegressedParams,
    SeasonalParams,
    XGBoostParams,
)
from experiments.pipelines.contract import Report, Trained, TrainingRows
from experiments.pipelines.retrieving_params import DenseParams, HybridParams, LexicalParams

logger = logging.getLogger(__name__)

Train = Callable[[TrainingRows, Any, Report], Trained]


@dataclass(frozen=True)
class TrainingPipeline:
    """A way to train.

    Attributes:
        params: a dataclass that declares what may be chosen.
        module, function: where it is done; imported when it is first used.
        tasks: of the models that it trains, as :class:`registry.models.Task` names them.
        needs: roles that the data's columns must have.
        rounds: the parameter that bounds how many points its learning curve has; empty: it tells no curve.
    """

    name: str
    title: str
    description: str
    params: type
    module: str
    function: str = "train"
    tasks: tuple[str, ...] = ("classification",)
    needs: tuple[str, ...] = ()
    rounds: str = ""

    def train(self, rows: TrainingRows, params: Any, report: Report) -> Trained:
        """Train on ``rows``; ``params`` is an instance of the declared dataclass."""
        return cast("Train", getattr(import_module(self.module), self.function))(rows, params, report)


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
    rounds="trees",
)
XGBOOST = TrainingPipeline(
    name="xgboost",
    title="Gradient-boosted trees (XGBoost)",
    description="The other usual library for trees: missing values and categories as they are, leaves grown where they gain most.",
    params=XGBoostParams,
    module="experiments.pipelines.xgboosted",
    rounds="trees",
)
RANKED = TrainingPipeline(
    name="lambdamart",
    title="LambdaMART (LightGBM)",
    description="Learns the order of the rows of a query; mistakes at the top of the list count most.",
    params=RankedParams,
    module="experiments.pipelines.ranked",
    rounds="trees",
    tasks=("ranking",),
    needs=("query",),
)
ISOLATED = TrainingPipeline(
    name="isolation-forest",
    title="Isolation forest (scikit-learn)",
    description="Learns what is usual without labels; what few random cuts separate from the rest is anomalous.",
    params=IsolatedParams,
    module="experiments.pipelines.isolated",
    tasks=("anomaly",),
)
REGRESSED = TrainingPipeline(
    name="lightgbm-number",
    title="Gradient-boosted trees for numbers (LightGBM)",
    description="Predicts an amount or a duration; takes missing values and categories as they are.",
    params=RegressedParams,
    module="experiments.pipelines.regressed",
    rounds="trees",
    tasks=("regression",),
)
RECURSIVE = TrainingPipeline(
    name="lightgbm-recursive",
    title="Trees from lags, step by step (LightGBM)",
    description="Learns one step ahead from former values; each answer becomes the newest value of the next step.",
    params=ForecastParams,
    module="experiments.pipelines.forecasting",
    function="recursive",
    rounds="trees",
    tasks=("forecasting",),
    needs=("series", "time"),
)
DIRECT = TrainingPipeline(
    name="lightgbm-direct",
    title="Trees from lags, all steps at once (LightGBM)",
    description="Learns every step up to the horizon from the last known values, so that errors do not add up.",
    params=ForecastParams,
    module="experiments.pipelines.forecasting",
    function="direct",
    rounds="trees",
    tasks=("forecasting",),
    needs=("series", "time"),
)
SEASONAL = TrainingPipeline(
    name="seasonal-naive",
    title="Seasonal-naive",
    description="Answers what was one season ago: what every forecast has to beat.",
    params=SeasonalParams,
    module="experiments.pipelines.forecasting",
    function="seasonal",
    tasks=("forecasting",),
    needs=("series", "time"),
)
LEXICAL = TrainingPipeline(
    name="bm25",
    title="Search by words (BM25)",
    description="Finds documents that share words with the query; rare words count most. Quick, and hard to beat where words agree.",
    params=LexicalParams,
    module="experiments.pipelines.retrieving",
    function="lexical",
    tasks=("retrieval",),
    needs=("query", "document"),
)
DENSE = TrainingPipeline(
    name="sentence-embeddings",
    title="Search by meaning (sentence embeddings)",
    description="Finds documents that mean something alike, whatever their words, by a small sentence encoder.",
    params=DenseParams,
    module="experiments.pipelines.retrieving",
    function="dense",
    tasks=("retrieval",),
    needs=("query", "document"),
)
HYBRID = TrainingPipeline(
    name="hybrid-retrieval",
    title="Search by words and meaning (BM25 and sentence embeddings)",
    description="Takes both lists together; how much meaning counts is chosen on the validation queries.",
    params=HybridParams,
    module="experiments.pipelines.retrieving",
    function="hybrid",
    tasks=("retrieval",),
    needs=("query", "document"),
)

OURS = (BASELINE, BOOSTED, XGBOOST, RANKED, ISOLATED, REGRESSED, RECURSIVE, DIRECT, SEASONAL, HYBRID, LEXICAL, DENSE)
PLUG_INS = "controlplane.pipelines"  # entry points of installed packages: each names a TrainingPipeline


def _all() -> dict[str, TrainingPipeline]:
    """Return ours and those of installed packages; one that cannot be loaded, or takes a name, is left out and told in the log."""
    found = {pipeline.name: pipeline for pipeline in OURS}
    for point in entry_points(group=PLUG_INS):
        try:
            theirs = point.load()
        except Exception:  # a team's package must not keep everybody else from training
            logger.exception("The pipeline %s cannot be loaded.", point.value)
            continue
        if not isinstance(theirs, TrainingPipeline) or theirs.name in found:
            logger.error("%s is no TrainingPipeline with a name of its own.", point.value)
            continue
        found[theirs.name] = theirs
    return found


PIPELINES = _all()


def pipelines_for(task: str) -> list[TrainingPipeline]:
    """Return the ways to train a model of a task, the usual one first."""
    found = [pipeline for pipeline in PIPELINES.values() if task in pipeline.tasks]
    return sorted(found, key=lambda pipeline: pipeline not in (BOOSTED, RECURSIVE))
