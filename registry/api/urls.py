"""Addresses of the registry's API, below `/api/v1/`; none ends with a slash."""

from django.urls import URLPattern, URLResolver, path

from registry.api.audit import EventExport, Events
from registry.api.criteria import CriteriaAgree, ModelCriteria
from registry.api.models import Model, ModelAlias, Models
from registry.api.people import Inbox, Me, Token, Tokens
from registry.api.promotions import (
    Promotion,
    PromotionApprove,
    PromotionComments,
    PromotionReject,
    Promotions,
    PromotionWithdraw,
)
from registry.api.reviews import PromotionReviews
from registry.api.rollbacks import ModelRollback, RollbackReview, Rollbacks
from registry.api.teams import Member, Members, OneTeam, Teams
from registry.api.versions import Version, VersionEvidence, Versions, VersionVerify
from registry.api.webhooks import (
    Webhook,
    WebhookDeliveries,
    WebhookDelivery,
    WebhookEvents,
    WebhookRedeliver,
    WebhookRotate,
    Webhooks,
    WebhookTest,
)

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("me", Me.as_view(), name="api_me"),
    path("inbox", Inbox.as_view(), name="api_inbox"),
    path("teams", Teams.as_view(), name="api_teams"),
    path("teams/<slug:slug>", OneTeam.as_view(), name="api_team"),
    path("teams/<slug:slug>/members", Members.as_view(), name="api_members"),
    path("teams/<slug:slug>/members/<str:username>", Member.as_view(), name="api_member"),
    path("tokens", Tokens.as_view(), name="api_tokens"),
    path("tokens/<int:pk>", Token.as_view(), name="api_token"),
    path("models", Models.as_view(), name="api_models"),
    path("models/<str:name>", Model.as_view(), name="api_model"),
    path("models/<str:name>/versions", Versions.as_view(), name="api_versions"),
    path("models/<str:name>/versions/<int:number>", Version.as_view(), name="api_version"),
    path("models/<str:name>/versions/<int:number>/evidence", VersionEvidence.as_view(), name="api_version_evidence"),
    path("models/<str:name>/versions/<int:number>/verify", VersionVerify.as_view(), name="api_version_verify"),
    path("models/<str:name>/aliases/<str:alias>", ModelAlias.as_view(), name="api_alias"),
    path("models/<str:name>/criteria", ModelCriteria.as_view(), name="api_model_criteria"),
    path("criteria/<int:pk>/agree", CriteriaAgree.as_view(), name="api_criteria_agree"),
    path("models/<str:name>/rollback", ModelRollback.as_view(), name="api_model_rollback"),
    path("rollbacks", Rollbacks.as_view(), name="api_rollbacks"),
    path("rollbacks/<int:pk>/review", RollbackReview.as_view(), name="api_rollback_review"),
    path("promotions", Promotions.as_view(), name="api_promotions"),
    path("promotions/<int:pk>", Promotion.as_view(), name="api_promotion"),
    path("promotions/<int:pk>/approve", PromotionApprove.as_view(), name="api_promotion_approve"),
    path("promotions/<int:pk>/reject", PromotionReject.as_view(), name="api_promotion_reject"),
    path("promotions/<int:pk>/withdraw", PromotionWithdraw.as_view(), name="api_promotion_withdraw"),
    path("promotions/<int:pk>/comments", PromotionComments.as_view(), name="api_promotion_comments"),
    path("promotions/<int:pk>/reviews", PromotionReviews.as_view(), name="api_promotion_reviews"),
    path("audit", Events.as_view(), name="api_audit"),
    path("audit/export", EventExport.as_view(), name="audit_export"),
    path("webhook-events", WebhookEvents.as_view(), name="api_webhook_events"),
    path("webhooks", Webhooks.as_view(), name="api_webhooks"),
    path("webhooks/<int:pk>", Webhook.as_view(), name="api_webhook"),
    path("webhooks/<int:pk>/test", WebhookTest.as_view(), name="api_webhook_test"),
    path("webhooks/<int:pk>/rotate-secret", WebhookRotate.as_view(), name="api_webhook_rotate"),
    path("webhooks/<int:pk>/deliveries", WebhookDeliveries.as_view(), name="api_webhook_deliveries"),
    path("webhooks/<int:pk>/deliveries/<int:delivery>", WebhookDelivery.as_view(), name="api_webhook_delivery"),
    path(
        "webhooks/<int:pk>/deliveries/<int:delivery>/redeliver",
        WebhookRedeliver.as_view(),
        name="api_webhook_redeliver",
    ),
]
