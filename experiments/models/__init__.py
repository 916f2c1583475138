"""What is remembered of data, training and evaluation: enough to say what a version was made from and measured on."""

from experiments.models.contracts import ContractCheck, ContractDraft, DataContract
from experiments.models.datasets import Dataset, DatasetQuerySet, DatasetVersion
from experiments.models.plans import EvaluationPlan, plan_in_force
from experiments.models.runs import BatchScoring, Evaluation, TrainingRun, inputs_of

__all__ = [
    "BatchScoring",
    "ContractCheck",
    "ContractDraft",
    "DataContract",
    "Dataset",
    "DatasetQuerySet",
    "DatasetVersion",
    "Evaluation",
    "EvaluationPlan",
    "TrainingRun",
    "inputs_of",
    "plan_in_force",
]
