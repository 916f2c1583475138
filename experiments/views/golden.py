"""Marking a version as golden, and confirming it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from experiments import services
from experiments.views.datasets import visible_dataset
from registry.access import actor_of
from registry.errors import ConflictError, FourEyesError, InvalidError


@require_POST
def golden(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Mark a version, or confirm what another person marked."""
    actor = actor_of(request)
    versions = visible_dataset(actor, name).versions.select_related("dataset__team")
    version = get_object_or_404(versions, number=number)
    try:
        if request.POST.get("act") == "confirm":
            services.golden_confirm(actor=actor, version=version, now=timezone.now())
            messages.success(request, "It is golden now: frozen, measured on, and never trained on.")
        else:
            services.golden_mark(
                actor=actor, version=version, reason=request.POST.get("reason", ""), split=request.POST.get("split")
            )
            messages.success(request, "Marked; it is golden once another person confirms it.")
    except (ConflictError, FourEyesError, InvalidError) as refused:
        messages.error(request, str(refused))
    return redirect(f"{version.path}#golden")
