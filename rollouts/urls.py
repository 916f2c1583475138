"""Pages and API addresses of rollouts."""

from django.urls import URLPattern, URLResolver, path

from rollouts import api, gateway_api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("models/<str:name>/routing/<int:table>/", views.routing_then, name="routing_then"),
    path("models/<str:name>/routing-panel/", views.routing_panel, name="routing_panel"),
    path("gateways/", views.gateways, name="gateways"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("routing", api.Routing.as_view(), name="api_routing"),
    path("gateways/published", gateway_api.Published.as_view(), name="api_gateways_published"),
    path("gateways/states", gateway_api.States.as_view(), name="api_gateways_states"),
    path("gateways", api.Gateways.as_view(), name="api_gateways"),
]
