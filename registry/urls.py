"""Pages and API addresses of registry."""

from django.urls import URLPattern, URLResolver, path

from registry.api.urls import api_urlpatterns
from registry.views import accounts, audit, criteria, inbox, models, promotions, reviews, settings, teams, versions

__all__ = ["api_urlpatterns", "urlpatterns"]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", inbox.inbox, name="inbox"),
    path("login/", accounts.LogIn.as_view(), name="login"),
    path("logout/", accounts.LogOut.as_view(), name="logout"),
    path("promotions/", inbox.promotions, name="promotions"),
    path("promotions/<int:pk>/", promotions.promotion, name="promotion"),
    path("promotions/<int:pk>/decide/", promotions.promotion_decide, name="promotion_decide"),
    path("promotions/<int:pk>/review/", reviews.review, name="review"),
    path("promotions/<int:pk>/review/<int:number>/", reviews.review_question, name="review_question"),
    path("promotions/<int:pk>/review/summary/", reviews.review_summary, name="review_summary"),
    path("models/", models.models, name="models"),
    path("models/new/", models.model_new, name="model_new"),
    path("models/<str:name>/", models.model, name="model"),
    path("models/<str:name>/rollback/", models.rollback, name="rollback"),
    path("rollbacks/<int:pk>/review/", models.rollback_review, name="rollback_review"),
    path("models/<str:name>/criteria/", criteria.criteria, name="criteria"),
    path("models/<str:name>/criteria/draft/", criteria.criteria_draft, name="criteria_draft"),
    path("criteria/<int:pk>/agree/", criteria.criteria_agree, name="criteria_agree"),
    path("models/<str:name>/versions/<int:number>/", versions.version, name="version"),
    path("models/<str:name>/versions/<int:number>/promote/", versions.promotion_request, name="promotion_request"),
    path("models/<str:name>/versions/<int:number>/verify/", versions.version_verify, name="version_verify"),
    path("audit/", audit.audit, name="audit"),
    path("settings/", settings.settings, name="settings"),
    path("settings/password/", teams.password, name="password"),
    path("settings/teams/<slug:slug>/", teams.team, name="team"),
    path("settings/teams/<slug:slug>/members/", teams.member_set, name="member_set"),
    path("settings/teams/<slug:slug>/members/<str:username>/remove/", teams.member_remove, name="member_remove"),
    path("settings/teams/<slug:slug>/guard/", teams.team_guard, name="team_guard"),
    path("settings/tokens/", settings.token_create, name="token_create"),
    path("settings/tokens/<int:pk>/revoke/", settings.token_revoke, name="token_revoke"),
]
