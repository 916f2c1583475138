"""Every write of experiments: one action, one function, one transaction, one audit event."""

from experiments.services.batch import batch_record, batch_start
from experiments.services.datasets import dataset_build_start, dataset_create, dataset_version_add
from experiments.services.evaluation import evaluation_record, evaluation_start
from experiments.services.training import training_register, training_start

__all__ = [
    "batch_record",
    "batch_start",
    "dataset_build_start",
    "dataset_create",
    "dataset_version_add",
    "evaluation_record",
    "evaluation_start",
    "training_register",
    "training_start",
]
