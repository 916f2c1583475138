"""Addresses of the registry's API, below `/api/v1/`; none ends with a slash."""

from django.urls import URLPattern, URLResolver, path

from registry.api.alert_rules import AlertRules, SilenceConfirm, SilenceEnd, Silences
from registry.api.alerts import (
    Alert,
    AlertAcknowledge,
    AlertComments,
    AlertOwner,
    AlertReopen,
    AlertResolve,
    Alerts,
    ModelBudgets,
)
from registry.api.archive import ArchivedModels, ArchivedVersions, ModelRestore, VersionRestore
from registry.api.audit import EventExport, Events
from registry.api.channels import (
    Channel,
    ChannelMessage,
    ChannelMessages,
    ChannelRedeliver,
    Channels,
    ChannelTest,
    Preference,
)
from registry.api.criteria import CriteriaAgree, CriteriaDecline, ModelCriteria
from registry.api.lifecycle import (
    ModelRetire,
    ModelRevalidations,
    RetirementApprove,
    RetirementReject,
    Retirements,
    RetirementWithdraw,
    RevalidationDue,
)
from registry.api.models import Model, ModelAlias, Models
from registry.api.people import Inbox, Me, SessionConfirm, Token, Tokens
from registry.api.policies import Policies, PolicyVersions
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
from registry.api.saved_views import SavedView, SavedViews
from registry.api.teams import Member, Members, OneTeam, Teams
from registry.api.versions import Version, VersionBom, VersionEvidence, VersionReference, Versions, VersionVerify
from registry.api.waivers import PromotionWaivers, WaiverDecline, WaiverGrant, WaiverRevoke, WaiverWithdraw
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
    path("session/confirm", SessionConfirm.as_view(), name="api_session_confirm"),
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
    path("models/<str:name>/versions/<int:number>/bom", VersionBom.as_view(), name="api_version_bom"),
    path("models/<str:name>/versions/<int:number>/reference", VersionReference.as_view(), name="api_version_reference"),
    path("models/<str:name>/versions/<int:number>/verify", VersionVerify.as_view(), name="api_version_verify"),
    path("models/<str:name>/aliases/<str:alias>", ModelAlias.as_view(), name="api_alias"),
    path("models/<str:name>/criteria", ModelCriteria.as_view(), name="api_model_criteria"),
    path("criteria/<int:pk>/agree", CriteriaAgree.as_view(), name="api_criteria_agree"),
    path("criteria/<int:pk>/decline", CriteriaDecline.as_view(), name="api_criteria_decline"),
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
    path("promotions/<int:pk>/waivers", PromotionWaivers.as_view(), name="api_promotion_waivers"),
    path("waivers/<int:pk>/grant", WaiverGrant.as_view(), name="api_waiver_grant"),
    path("waivers/<int:pk>/decline", WaiverDecline.as_view(), name="api_waiver_decline"),
    path("waivers/<int:pk>/withdraw", WaiverWithdraw.as_view(), name="api_waiver_withdraw"),
    path("waivers/<int:pk>/revoke", WaiverRevoke.as_view(), name="api_waiver_revoke"),
    path("policies", Policies.as_view(), name="api_policies"),
    path("policies/versions", PolicyVersions.as_view(), name="api_policy_versions"),
    path("alerts", Alerts.as_view(), name="api_alerts"),
    path("alerts/<int:pk>/acknowledge", AlertAcknowledge.as_view(), name="api_alert_acknowledge"),
    path("alerts/<int:pk>", Alert.as_view(), name="api_alert"),
    path("alerts/<int:pk>/resolve", AlertResolve.as_view(), name="api_alert_resolve"),
    path("alerts/<int:pk>/reopen", AlertReopen.as_view(), name="api_alert_reopen"),
    path("alerts/<int:pk>/owner", AlertOwner.as_view(), name="api_alert_owner"),
    path("alerts/<int:pk>/comments", AlertComments.as_view(), name="api_alert_comments"),
    path("alert-rules", AlertRules.as_view(), name="api_alert_rules"),
    path("silences", Silences.as_view(), name="api_silences"),
    path("silences/<int:pk>/confirm", SilenceConfirm.as_view(), name="api_silence_confirm"),
    path("silences/<int:pk>/end", SilenceEnd.as_view(), name="api_silence_end"),
    path("channels", Channels.as_view(), name="api_channels"),
    path("channels/<int:pk>", Channel.as_view(), name="api_channel"),
    path("channels/<int:pk>/test", ChannelTest.as_view(), name="api_channel_test"),
    path("channels/<int:pk>/messages", ChannelMessages.as_view(), name="api_channel_messages"),
    path("channels/<int:pk>/messages/<int:message>", ChannelMessage.as_view(), name="api_channel_message"),
    path(
        "channels/<int:pk>/messages/<int:message>/redeliver",
        ChannelRedeliver.as_view(),
        name="api_channel_redeliver",
    ),
    path("me/alert-mail", Preference.as_view(), name="api_alert_mail"),
    path("models/<str:name>/budgets", ModelBudgets.as_view(), name="api_model_budgets"),
    path("models/<str:name>/revalidations", ModelRevalidations.as_view(), name="api_model_revalidations"),
    path("models/<str:name>/revalidations/due", RevalidationDue.as_view(), name="api_revalidation_due"),
    path("models/<str:name>/retire", ModelRetire.as_view(), name="api_model_retire"),
    path("retirements", Retirements.as_view(), name="api_retirements"),
    path("retirements/<int:pk>/approve", RetirementApprove.as_view(), name="api_retirement_approve"),
    path("retirements/<int:pk>/reject", RetirementReject.as_view(), name="api_retirement_reject"),
    path("retirements/<int:pk>/withdraw", RetirementWithdraw.as_view(), name="api_retirement_withdraw"),
    path("archive/models", ArchivedModels.as_view(), name="api_archived_models"),
    path("archive/models/<int:pk>/restore", ModelRestore.as_view(), name="api_model_restore"),
    path("archive/versions", ArchivedVersions.as_view(), name="api_archived_versions"),
    path("archive/versions/<int:pk>/restore", VersionRestore.as_view(), name="api_version_restore"),
    path("saved-views", SavedViews.as_view(), name="api_saved_views"),
    path("saved-views/<int:pk>", SavedView.as_view(), name="api_saved_view"),
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
