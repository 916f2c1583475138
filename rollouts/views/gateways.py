"""The inventory of gateways, and panels that pages of lower apps fetch by themselves, so that those need not know of routing."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from registry.access import actor_of
from registry.views.models import visible_model
from rollouts.gateways.inventory import inventory
from rollouts.selectors import model_routing, routing_at


@require_GET
def routing_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show which version gets which share of a model's traffic, and whether gateways serve it so."""
    model = visible_model(actor_of(request), name)
    return render(request, "rollouts/routing_panel.html", {"model": model, "routing": model_routing(model)})


@require_GET
def routing_then(request: HttpRequest, name: str, table: int) -> HttpResponse:
    """Show how a model was routed by one routing table, and where among its arms a key's hash fell (``?point=``)."""
    model = visible_model(actor_of(request), name)
    published, runs = routing_at(model, table)
    point = request.GET.get("point", "")
    context = {
        "model": model,
        "table": table,
        "published": published,
        "runs": runs,
        "point": int(point) if point.isdecimal() else None,
    }
    return render(request, "rollouts/routing_then.html", context)


@require_GET
@vary_on_headers("HX-Request")
def gateways(request: HttpRequest) -> HttpResponse:
    """Show every gateway process and what it holds of the reader's teams; the page asks for itself again."""
    model = request.GET.get("model", "").strip()
    context = {"inventory": inventory(actor_of(request).teams(), model=model), "model": model}
    template = "rollouts/gateways.html#moving" if "HX-Request" in request.headers else "rollouts/gateways.html"
    return render(request, template, context)
