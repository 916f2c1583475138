"""What people do to a rollout from its page, each with a reason."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from registry.access import actor_of
from registry.errors import ConflictError, RefusedError
from rollouts import services
from rollouts.links import seen
from rollouts.models import Rollout
from rollouts.views.rollouts import rollout_page, visible_rollout

ACTS: dict[str, Callable[..., Rollout]] = {
    "pause": services.rollout_pause,
    "resume": services.rollout_resume,
    "advance": services.rollout_advance,
    "abort": services.rollout_abort,
    "decide": services.rollout_decide,
}
DONE = {
    "pause": "The rollout is paused; a fail still goes back.",
    "resume": "The rollout goes on.",
    "advance": "The next step begins; gateways follow within two seconds.",
    "abort": "The rollout is aborted; gateways follow within two seconds.",
    "decide": "Your decision is recorded.",
}


@require_POST
def rollout_act(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """Pause, resume, advance, abort or decide; a refusal shows the page again with each unmet rule."""
    if act not in ACTS:
        raise Http404
    actor = actor_of(request)
    found = visible_rollout(actor, pk)
    reason = request.POST.get("reason", "")
    more: dict[str, Any] = {"choice": request.POST.get("decision", "")} if act == "decide" else {}
    try:
        if request.POST.get("seen", "") != seen(found):
            raise ConflictError(
                "The rollout moved on since you looked, so nothing was done. What you see now is how it stands: decide again."
            )
        ACTS[act](actor=actor, rollout_id=found.pk, reason=reason, now=timezone.now(), **more)
    except RefusedError as refused:
        return rollout_page(request, visible_rollout(actor, pk), refused=refused, reason=reason, status=refused.status)
    messages.success(request, DONE[act])
    return redirect("rollout", pk=pk)
