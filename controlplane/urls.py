"""Addresses of the whole product: pages at the root, the API under `/api/v1/`."""

from django.urls import URLPattern, URLResolver, include, path

import experiments.urls
import jobs.urls
import monitoring.urls
import registry.urls
import rollouts.urls

APPS = [registry.urls, experiments.urls, monitoring.urls, rollouts.urls, jobs.urls]

urlpatterns: list[URLPattern | URLResolver] = [
    *(path("", include(app.urlpatterns)) for app in APPS),
    *(path("api/v1/", include(app.api_urlpatterns)) for app in APPS),
]
