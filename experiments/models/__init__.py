"""What is remembered of data, training and evaluation: enough to say what a version was made from and measured on."""

from experiments.models.contracts import ContractCheck, ContractDraft, DataContract
from experiments.models.datasets import Dataset, DatasetQuerySet, DatasetVersion
from experiments.models.golden import GoldenMark
from experiments.models.plans import EvaluationPlan, plan_in_force
from experiments.models.runs import BatchScoring, Evaluation, TrainingRun, inputs_of
from experiments.models.searches import UNFINISHED, Search, SearchState, SearchTrial, TrialState
from experiments.models.sources import DatasetSource, DatasetUpload, source_folder

__all__ = [
    "UNFINISHED",
    "BatchScoring",
    "ContractCheck",
    "ContractDraft",
    "DataContract",
    "Dataset",
    "DatasetQuerySet",
    "DatasetSource",
    "DatasetUpload",
    "DatasetVersion",
    "Evaluation",
    "EvaluationPlan",
    "GoldenMark",
    "Search",
    "SearchState",
    "SearchTrial",
    "TrainingRun",
    "TrialState",
    "inputs_of",
    "plan_in_force",
    "source_folder",
]
