"""Every write of the registry: one action, one function, one transaction, one audit event."""

from registry.services.aliases import alias_delete, alias_set, rollback, rollback_review
from registry.services.criteria import criteria_agree, criteria_draft
from registry.services.evidence import evidence_record
from registry.services.models import model_create, model_update
from registry.services.promotions import (
    promotion_approve,
    promotion_comment,
    promotion_reject,
    promotion_request,
    promotion_withdraw,
)
from registry.services.teams import team_join, token_create, token_revoke
from registry.services.versions import version_create, version_verify

__all__ = [
    "alias_delete",
    "alias_set",
    "criteria_agree",
    "criteria_draft",
    "evidence_record",
    "model_create",
    "model_update",
    "promotion_approve",
    "promotion_comment",
    "promotion_reject",
    "promotion_request",
    "promotion_withdraw",
    "rollback",
    "rollback_review",
    "team_join",
    "token_create",
    "token_revoke",
    "version_create",
    "version_verify",
]
