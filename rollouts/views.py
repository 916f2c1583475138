"""Panels that a model's page fetches by itself, so that the registry need not know of routing."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registry.access import actor_of
from registry.views.models import visible_model
from rollouts.selectors import model_routing


@require_GET
def routing_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show which version gets which share of a model's traffic, and whether gateways serve it so."""
    model = visible_model(actor_of(request), name)
    return render(request, "rollouts/routing_panel.html", {"model": model, "routing": model_routing(model)})
