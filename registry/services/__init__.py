"""Every write of the registry: one action, one function, one transaction, one audit event."""

from registry.services.alert_acts import alert_acknowledge, alert_comment, alert_own, alert_reopen, alert_resolve
from registry.services.alert_looks import alert_look
from registry.services.alert_rules import alert_rule_change, alert_rule_reset
from registry.services.alert_telling import alerts_tell
from registry.services.alerts import alert_clear, alert_raise
from registry.services.aliases import alias_delete, alias_set, rollback, rollback_overdue, rollback_review
from registry.services.archive import RESTORABLE, model_restore, version_restore
from registry.services.artifacts import reference_record, version_read_start, version_settle
from registry.services.audit_heads import audit_head_export
from registry.services.channels import (
    channel_create,
    channel_delete,
    channel_redeliver,
    channel_test,
    channel_update,
    preference_set,
)
from registry.services.criteria import criteria_agree, criteria_decline, criteria_draft
from registry.services.evidence import evidence_record
from registry.services.experiments import experiment_record
from registry.services.exports import promotion_export
from registry.services.facts import budget_record, budgets_keep, data_set_record, traffic_record
from registry.services.lifecycle import model_archive, model_rename, version_archive, version_describe, version_stage
from registry.services.models import model_create, model_update
from registry.services.people import password_change, password_reset, person_activate, person_create
from registry.services.policies import policy_change, policy_default, policy_difference
from registry.services.promotions import (
    promotion_approve,
    promotion_comment,
    promotion_reject,
    promotion_request,
    promotion_withdraw,
)
from registry.services.retirement import (
    obstacles,
    retirement_approve,
    retirement_reject,
    retirement_request,
    retirement_withdraw,
)
from registry.services.revalidation import (
    revalidation_bring_forward,
    revalidation_record,
    revalidation_trigger,
    revalidations_watch,
)
from registry.services.reviews import review_record
from registry.services.rolling_out import (
    promotion_complete,
    promotion_plan_record,
    promotion_roll_back,
    promotion_roll_out,
    rolls_out_record,
)
from registry.services.saved_views import saved_view_create, saved_view_delete, saved_view_update
from registry.services.sessions import LoginAttempt, login_attempt, logout_record
from registry.services.signatures import version_sign
from registry.services.silences import silence_confirm, silence_create, silence_end
from registry.services.standing import (
    promotion_approve_standing,
    standing_approval_end,
    standing_approval_give,
    standing_approvals_void,
)
from registry.services.tags import model_tag_delete, model_tag_set, version_tag_delete, version_tag_set
from registry.services.teams import team_change, team_create, team_guard, team_join, team_leave
from registry.services.tokens import Bounds, token_create, token_revoke, token_use, tokens_used
from registry.services.versions import version_create
from registry.services.waivers import (
    waiver_ask,
    waiver_decline,
    waiver_grant,
    waiver_revoke,
    waiver_withdraw,
    waivers_watch,
)
from registry.services.webhooks import (
    webhook_create,
    webhook_delete,
    webhook_redeliver,
    webhook_rotate,
    webhook_test,
    webhook_update,
)

__all__ = [
    "RESTORABLE",
    "Bounds",
    "LoginAttempt",
    "alert_acknowledge",
    "alert_clear",
    "alert_comment",
    "alert_look",
    "alert_own",
    "alert_raise",
    "alert_reopen",
    "alert_resolve",
    "alert_rule_change",
    "alert_rule_reset",
    "alerts_tell",
    "alias_delete",
    "alias_set",
    "audit_head_export",
    "budget_record",
    "budgets_keep",
    "channel_create",
    "channel_delete",
    "channel_redeliver",
    "channel_test",
    "channel_update",
    "criteria_agree",
    "criteria_decline",
    "criteria_draft",
    "data_set_record",
    "evidence_record",
    "experiment_record",
    "login_attempt",
    "logout_record",
    "model_archive",
    "model_create",
    "model_rename",
    "model_restore",
    "model_tag_delete",
    "model_tag_set",
    "model_update",
    "obstacles",
    "password_change",
    "password_reset",
    "person_activate",
    "person_create",
    "policy_change",
    "policy_default",
    "policy_difference",
    "preference_set",
    "promotion_approve",
    "promotion_approve_standing",
    "promotion_comment",
    "promotion_complete",
    "promotion_export",
    "promotion_plan_record",
    "promotion_reject",
    "promotion_request",
    "promotion_roll_back",
    "promotion_roll_out",
    "promotion_withdraw",
    "reference_record",
    "retirement_approve",
    "retirement_reject",
    "retirement_request",
    "retirement_withdraw",
    "revalidation_bring_forward",
    "revalidation_record",
    "revalidation_trigger",
    "revalidations_watch",
    "review_record",
    "rollback",
    "rollback_overdue",
    "rollback_review",
    "rolls_out_record",
    "saved_view_create",
    "saved_view_delete",
    "saved_view_update",
    "silence_confirm",
    "silence_create",
    "silence_end",
    "standing_approval_end",
    "standing_approval_give",
    "standing_approvals_void",
    "team_change",
    "team_create",
    "team_guard",
    "team_join",
    "team_leave",
    "token_create",
    "token_revoke",
    "token_use",
    "tokens_used",
    "traffic_record",
    "version_archive",
    "version_create",
    "version_describe",
    "version_read_start",
    "version_restore",
    "version_settle",
    "version_sign",
    "version_stage",
    "version_tag_delete",
    "version_tag_set",
    "waiver_ask",
    "waiver_decline",
    "waiver_grant",
    "waiver_revoke",
    "waiver_withdraw",
    "waivers_watch",
    "webhook_create",
    "webhook_delete",
    "webhook_redeliver",
    "webhook_rotate",
    "webhook_test",
    "webhook_update",
]
