"""Addresses of the whole product: pages at the root, the API under `/api/v1/`."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

import controlplane.demo.views
import controlplane.views
import experiments.urls
import jobs.urls
import monitoring.urls
import registry.urls
import rollouts.urls
from controlplane.api_docs.views import api_docs
from controlplane.health import health
from controlplane.review_pack.views import ReviewPack, pack_page

APPS = [registry.urls, experiments.urls, monitoring.urls, rollouts.urls, jobs.urls]

urlpatterns: list[URLPattern | URLResolver] = [
    path("health/", health, name="health"),
    path("search/", controlplane.views.search_results, name="search"),
    path("api/docs/", api_docs, name="api_docs"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("promotions/<int:pk>/review-pack/", pack_page, name="review_pack"),
    path("api/v1/promotions/<int:pk>/review-pack", ReviewPack.as_view(), name="api_review_pack"),
    *(path("", include(app.urlpatterns)) for app in APPS),
    *(path("api/v1/", include(app.api_urlpatterns)) for app in APPS),
]

if settings.DEPLOYMENT != "production":
    urlpatterns += [
        path("kit/", controlplane.views.kit, name="kit"),
        path("scenarios/", controlplane.demo.views.scenarios, name="scenarios"),
        path("scenarios/start/", controlplane.demo.views.scenario_begin, name="scenario_begin"),
    ]

handler400 = controlplane.views.bad_request
handler403 = controlplane.views.forbidden
handler404 = controlplane.views.not_found
handler500 = controlplane.views.server_error
