"""Every write of experiments: one action, one function, one transaction, one audit event."""

from experiments.services.batch import batch_record, batch_start
from experiments.services.contracts import (
    CONTRACT_KEEPERS,
    ContractBrokenError,
    DraftChangedError,
    contract_change,
    contract_check_record,
    contract_check_start,
    contract_draft_drop,
    contract_draft_save,
    contract_propose_start,
    stop_where_broken,
)
from experiments.services.datasets import dataset_build_start, dataset_create, dataset_version_add
from experiments.services.evaluation import evaluation_plan_change, evaluation_record, evaluation_start
from experiments.services.freezing import dataset_version_freeze
from experiments.services.golden import CONFIRMERS, golden_confirm, golden_mark
from experiments.services.searches import search_cancel, search_create, search_register
from experiments.services.source_terms import FORMATS, policy_for, source_check
from experiments.services.sources import (
    ingest_record,
    source_declare,
    source_retire,
    source_run_start,
    sources_due,
)
from experiments.services.training import training_register, training_start
from experiments.services.trials import search_opened, search_step, trial_begin, trial_end, trial_report
from experiments.services.uploads import upload_begin, upload_keep, upload_receive, uploads_forget

__all__ = [
    "CONFIRMERS",
    "CONTRACT_KEEPERS",
    "FORMATS",
    "ContractBrokenError",
    "DraftChangedError",
    "batch_record",
    "batch_start",
    "contract_change",
    "contract_check_record",
    "contract_check_start",
    "contract_draft_drop",
    "contract_draft_save",
    "contract_propose_start",
    "dataset_build_start",
    "dataset_create",
    "dataset_version_add",
    "dataset_version_freeze",
    "evaluation_plan_change",
    "evaluation_record",
    "evaluation_start",
    "golden_confirm",
    "golden_mark",
    "ingest_record",
    "policy_for",
    "search_cancel",
    "search_create",
    "search_opened",
    "search_register",
    "search_step",
    "source_check",
    "source_declare",
    "source_retire",
    "source_run_start",
    "sources_due",
    "stop_where_broken",
    "training_register",
    "training_start",
    "trial_begin",
    "trial_end",
    "trial_report",
    "upload_begin",
    "upload_keep",
    "upload_receive",
    "uploads_forget",
]
