"""Every write that is asked of monitoring: one action, one function, one transaction, one audit event."""

from monitoring.services.alerting import alert_observe
from monitoring.services.contracts import live_check_record, live_checks_forget, live_checks_make, live_contract_choose
from monitoring.services.drift import DRIFT_ALERT, MAX_HOURS, drift_report_start, drift_tell
from monitoring.services.facts import FIRST_ROWS, facts_push, references_push
from monitoring.services.log import LOG_KEEPERS, log_policy_change
from monitoring.services.quality import QUALITY_OWNERS, quality_policy_change
from monitoring.services.quality_reference import quality_references_start
from monitoring.services.retraining import (
    reconcile_retrainings,
    retraining_ask,
    retraining_frozen,
    retraining_look,
    retraining_move,
    retraining_start,
    retraining_stop,
)
from monitoring.services.retraining_policies import retraining_policy_save, retraining_policy_switch
from monitoring.services.slos import EDGES_MS, SLO_OWNERS, WINDOW_DAYS, said_in_words, slo_create, slo_delete
from monitoring.services.trials import trial_close, trial_open

__all__ = [
    "DRIFT_ALERT",
    "EDGES_MS",
    "FIRST_ROWS",
    "LOG_KEEPERS",
    "MAX_HOURS",
    "QUALITY_OWNERS",
    "SLO_OWNERS",
    "WINDOW_DAYS",
    "alert_observe",
    "drift_report_start",
    "drift_tell",
    "facts_push",
    "live_check_record",
    "live_checks_forget",
    "live_checks_make",
    "live_contract_choose",
    "log_policy_change",
    "quality_policy_change",
    "quality_references_start",
    "reconcile_retrainings",
    "references_push",
    "retraining_ask",
    "retraining_frozen",
    "retraining_look",
    "retraining_move",
    "retraining_policy_save",
    "retraining_policy_switch",
    "retraining_start",
    "retraining_stop",
    "said_in_words",
    "slo_create",
    "slo_delete",
    "trial_close",
    "trial_open",
]
