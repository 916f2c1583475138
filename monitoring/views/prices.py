"""What the predictions of a model cost."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from monitoring import services
from monitoring.forms.objectives import PriceForm
from registry.access import actor_of
from registry.errors import RefusedError
from registry.views.models import visible_model


@require_http_methods(["GET", "POST"])
def prices(request: HttpRequest, name: str) -> HttpResponse:
    """List the declared prices of a model and its versions, and declare another."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    form = PriceForm(request.POST or None, versions=model.versions.filter(archived_at=None))
    if request.method == "POST" and form.is_valid():
        try:
            services.price_declare(actor=actor, model=model, **form.terms())
        except RefusedError as refused:
            if refused.status == 403:
                raise
            field = getattr(refused, "field", None)
            form.add_error(field if field in form.fields else None, str(refused))
        else:
            messages.success(request, "The price is declared.")
            return redirect("prices", name=model.name)
    context = {
        "model": model,
        "prices": model.prices.select_related("version", "declared_by"),
        "form": form,
        "may_set": actor.role_in(model.team) in services.SLO_OWNERS,
    }
    return render(request, "monitoring/prices.html", context, status=422 if form.is_bound else 200)
