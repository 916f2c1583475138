"""What the registry remembers. Rules that SQL can say are repeated here as constraints and in migrations as triggers."""

from registry.models.alert_rules import AlertRule, Silence
from registry.models.alerts import Alert, AlertEvent, AlertStreak
from registry.models.aliases import Alias, AliasMove, Rollback
from registry.models.artifacts import ReferenceProfile, VersionReading
from registry.models.audit import AuditCheck, AuditEvent, IdempotencyKey
from registry.models.catalogue import (
    PROMPT_TAG,
    ArtifactState,
    ExperimentOwner,
    ModelQuerySet,
    ModelTag,
    ModelVersion,
    RegisteredModel,
    RevalidationTrigger,
    Task,
    VersionTag,
)
from registry.models.channels import AlertNotice, AlertPreference, Channel
from registry.models.criteria import AcceptanceCriterion, CriteriaSet, Evidence
from registry.models.facts import DataSetHead, ErrorBudget, VersionTraffic
from registry.models.fields import DIGEST_HELP
from registry.models.lifecycle import Retirement, Revalidation
from registry.models.policies import PromotionPolicy
from registry.models.promotions import Approval, Binding, Comment, Promotion
from registry.models.reviews import CriterionReview
from registry.models.saved_views import ListPage, SavedView
from registry.models.standing import STANDING_DAYS, STANDING_TIER, StandingApproval, StandingApprovalQuerySet
from registry.models.teams import ApiToken, LoginFailure, Membership, Role, Team
from registry.models.waivers import Waiver
from registry.models.webhooks import Webhook

__all__ = [
    "DIGEST_HELP",
    "PROMPT_TAG",
    "STANDING_DAYS",
    "STANDING_TIER",
    "AcceptanceCriterion",
    "Alert",
    "AlertEvent",
    "AlertNotice",
    "AlertPreference",
    "AlertRule",
    "AlertStreak",
    "Alias",
    "AliasMove",
    "ApiToken",
    "Approval",
    "ArtifactState",
    "AuditCheck",
    "AuditEvent",
    "Binding",
    "Channel",
    "Comment",
    "CriteriaSet",
    "CriterionReview",
    "DataSetHead",
    "ErrorBudget",
    "Evidence",
    "ExperimentOwner",
    "IdempotencyKey",
    "ListPage",
    "LoginFailure",
    "Membership",
    "ModelQuerySet",
    "ModelTag",
    "ModelVersion",
    "Promotion",
    "PromotionPolicy",
    "ReferenceProfile",
    "RegisteredModel",
    "Retirement",
    "Revalidation",
    "RevalidationTrigger",
    "Role",
    "Rollback",
    "SavedView",
    "Silence",
    "StandingApproval",
    "StandingApprovalQuerySet",
    "Task",
    "Team",
    "VersionReading",
    "VersionTag",
    "VersionTraffic",
    "Waiver",
    "Webhook",
]
