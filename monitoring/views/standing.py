"""Approving beforehand what a retraining policy makes, and ending that."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from monitoring.services import retraining_approve_beforehand
from registry.access import actor_of
from registry.services import standing_approval_end
from registry.views.models import visible_model


@require_POST
def standing_give(request: HttpRequest, name: str) -> HttpResponse:
    """Approve beforehand what the policy makes, for a number of days."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    given = retraining_approve_beforehand(
        actor=actor, model=model, policy=_whole(request, "policy"), days=_whole(request, "days"),
        reason=request.POST.get("reason", ""),
    )  # fmt: skip
    messages.success(request, f"Standing approval {given.pk} holds for {given.days} days, or until somebody ends it.")
    return redirect("model_retraining", name=model.name)


@require_POST
def standing_end(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """End a standing approval at once."""
    actor = actor_of(request)
    found = get_object_or_404(visible_model(actor, name).standing_approvals, pk=pk)
    standing_approval_end(actor=actor, standing_id=found.pk, reason=request.POST.get("reason", ""))
    messages.success(request, "It has ended; people approve what comes next.")
    return redirect("model_retraining", name=name)


def _whole(request: HttpRequest, field: str) -> int:
    """Return a posted whole number; what is none is out of every range."""
    said = request.POST.get(field, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 9 else 0
