"""Following a one-click link: a page that asks for the reason, and then acts."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from registry.access import actor_of
from registry.errors import RefusedError
from rollouts import services
from rollouts.links import LinkError, read_link, seen
from rollouts.screen.acts import choices_for
from rollouts.views.rollouts import visible_rollout


@require_http_methods(["GET", "POST"])
def rollout_link(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm what a link means, with a reason; a link that is forged, too old or overtaken says so, with the way on."""
    try:
        meant = read_link(token)
    except LinkError as fault:
        return render(request, "rollouts/link.html", {"fault": fault}, status=410 if fault.expired else 400)
    actor = actor_of(request)
    found = visible_rollout(actor, meant.rollout_id)
    choice = next((one for one in choices_for(found, actor) if one.name == meant.choice), None)
    context = {
        "rollout": found,
        "model": found.model,
        "choice": choice,
        "token": token,
        "reason": request.POST.get("reason", ""),
    }
    if choice is None or meant.seen != seen(found):
        return render(request, "rollouts/link.html", context | {"choice": None, "stale": True}, status=409)
    if request.method == "POST":
        try:
            services.rollout_decide(
                actor=actor,
                rollout_id=found.pk,
                choice=meant.choice,
                reason=request.POST.get("reason", ""),
                now=timezone.now(),
            )
        except RefusedError as refused:
            return render(request, "rollouts/link.html", context | {"refused": refused}, status=refused.status)
        messages.success(request, "Your decision is recorded.")
        return redirect("rollout", pk=found.pk)
    return render(request, "rollouts/link.html", context)
