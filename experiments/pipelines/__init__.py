"""The ways to train a model. A new one is a module that defines a `TrainingPipeline` and an entry here."""

from experiments.pipelines.baseline import BASELINE
from experiments.pipelines.boosted import BOOSTED

PIPELINES = {pipeline.name: pipeline for pipeline in (BASELINE, BOOSTED)}
