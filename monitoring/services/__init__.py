"""Every write that is asked of monitoring: one action, one function, one transaction, one audit event."""

from monitoring.services.alerting import alert_observe
from monitoring.services.drift import DRIFT_ALERT, MAX_HOURS, drift_report_start, drift_tell
from monitoring.services.facts import FIRST_ROWS, facts_push, references_push
from monitoring.services.log import LOG_KEEPERS, log_policy_change
from monitoring.services.quality import QUALITY_OWNERS, quality_policy_change
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
    "log_policy_change",
    "quality_policy_change",
    "references_push",
    "said_in_words",
    "slo_create",
    "slo_delete",
    "trial_close",
    "trial_open",
]
