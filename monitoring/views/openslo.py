"""Objectives as OpenSLO documents: into the product, and out of it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from monitoring import services
from monitoring.forms.objectives import OpenSloForm
from monitoring.models import Slo
from registry.access import actor_of
from registry.views.models import visible_model


@require_http_methods(["GET", "POST"])
def slos_import(request: HttpRequest) -> HttpResponse:
    """Set what pasted documents promise, all or nothing; a refusal names each line and field."""
    actor = actor_of(request)
    form = OpenSloForm(request.POST or None)
    faults = []
    if request.method == "POST" and form.is_valid():
        try:
            done = services.slos_import(actor=actor, **form.cleaned_data)
        except services.ImportRefusedError as refused:
            faults = refused.faults
        else:
            counts = (("set", done.created), ("changed", done.changed), ("so already", done.same))
            messages.success(request, ", ".join(f"{len(slos)} {word}" for word, slos in counts if slos) + ".")
            for note in done.notes:
                messages.info(request, note)
            return redirect("slos")
    context = {"form": form, "faults": faults}
    return render(request, "monitoring/slos_import.html", context, status=422 if form.is_bound else 200)


@require_GET
def slos_export(request: HttpRequest) -> HttpResponse:
    """Return the objectives of the reader's teams, or of one model, as a file."""
    actor = actor_of(request)
    rows = Slo.objects.visible_to(actor)
    if name := request.GET.get("model"):
        rows = rows.filter(model=visible_model(actor, name))
    answer = HttpResponse(services.slos_export(list(rows)), content_type="application/yaml")
    answer["Content-Disposition"] = 'attachment; filename="openslo.yaml"'
    return answer
