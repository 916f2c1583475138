"""Every write that is asked of monitoring: one action, one function, one transaction, one audit event."""

from monitoring.services.alerting import alert_observe
from monitoring.services.burning import budget_names, burn_watch
from monitoring.services.contracts import live_check_record, live_checks_forget, live_checks_make, live_contract_choose
from monitoring.services.drift import DRIFT_ALERT, MAX_HOURS, drift_report_start, drift_reports_start, drift_tell
from monitoring.services.drift_policy import DRIFT_KEEPERS, drift_policy_change
from monitoring.services.drift_watch import drift_look, drift_window_tell, drift_windows_purge
from monitoring.services.facts import FIRST_ROWS, facts_push, references_push
from monitoring.services.log import LOG_KEEPERS, log_policy_change
from monitoring.services.openslo import Imported, ImportRefusedError, slos_export, slos_import
from monitoring.services.prices import price_declare
from monitoring.services.quality import QUALITY_OWNERS, quality_policy_change
from monitoring.services.quality_reference import quality_references_start
from monitoring.services.quality_watch import quality_watch
from monitoring.services.restating import restate
from monitoring.services.retraining import (
    reconcile_retrainings,
    retraining_ask,
    retraining_frozen,
    retraining_look,
    retraining_move,
    retraining_start,
    retraining_stop,
)
from monitoring.services.retraining_automation import retraining_approve_beforehand
from monitoring.services.retraining_policies import retraining_policy_save, retraining_policy_switch
from monitoring.services.slo_terms import EDGES_MS, KINDS, SPANS, WINDOW_DAYS, Terms, terms_of
from monitoring.services.slos import SLO_OWNERS, slo_create, slo_delete, slo_edit
from monitoring.services.trials import trial_close, trial_open

__all__ = [
    "DRIFT_ALERT",
    "DRIFT_KEEPERS",
    "EDGES_MS",
    "FIRST_ROWS",
    "KINDS",
    "LOG_KEEPERS",
    "MAX_HOURS",
    "QUALITY_OWNERS",
    "SLO_OWNERS",
    "SPANS",
    "WINDOW_DAYS",
    "ImportRefusedError",
    "Imported",
    "Terms",
    "alert_observe",
    "budget_names",
    "burn_watch",
    "drift_look",
    "drift_policy_change",
    "drift_report_start",
    "drift_reports_start",
    "drift_tell",
    "drift_window_tell",
    "drift_windows_purge",
    "facts_push",
    "live_check_record",
    "live_checks_forget",
    "live_checks_make",
    "live_contract_choose",
    "log_policy_change",
    "price_declare",
    "quality_policy_change",
    "quality_references_start",
    "quality_watch",
    "reconcile_retrainings",
    "references_push",
    "restate",
    "retraining_approve_beforehand",
    "retraining_ask",
    "retraining_frozen",
    "retraining_look",
    "retraining_move",
    "retraining_policy_save",
    "retraining_policy_switch",
    "retraining_start",
    "retraining_stop",
    "slo_create",
    "slo_delete",
    "slo_edit",
    "slos_export",
    "slos_import",
    "terms_of",
    "trial_close",
    "trial_open",
]
