"""What the registry remembers. Rules that SQL can say are repeated here as constraints and in migrations as triggers."""

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
from registry.models.criteria import AcceptanceCriterion, CriteriaSet, Evidence
from registry.models.facts import Alert, DataSetHead, ErrorBudget, VersionTraffic
from registry.models.fields import DIGEST_HELP
from registry.models.lifecycle import Retirement, Revalidation
from registry.models.policies import PromotionPolicy
from registry.models.promotions import Approval, Binding, Comment, Promotion
from registry.models.reviews import CriterionReview
from registry.models.saved_views import ListPage, SavedView
from registry.models.teams import ApiToken, LoginFailure, Membership, Role, Team
from registry.models.waivers import Waiver
from registry.models.webhooks import Webhook

__all__ = [
    "DIGEST_HELP",
    "PROMPT_TAG",
    "AcceptanceCriterion",
    "Alert",
    "Alias",
    "AliasMove",
    "ApiToken",
    "Approval",
    "ArtifactState",
    "AuditCheck",
    "AuditEvent",
    "Binding",
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
    "Task",
    "Team",
    "VersionReading",
    "VersionTag",
    "VersionTraffic",
    "Waiver",
    "Webhook",
]
