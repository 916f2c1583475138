"""Silences: the list, making one, confirming it as a second person, ending it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from jobs.paging import page_of
from registry import services
from registry.access import actor_of
from registry.errors import InvalidError
from registry.forms.alerts import SilenceForm
from registry.models import Silence
from registry.services.silences import MANAGERS
from registry.views.alerts import address, own_model, own_team


@require_http_methods(["GET", "POST"])
def silences(request: HttpRequest) -> HttpResponse:
    """List a team's silences, and make one."""
    actor, team, now = actor_of(request), own_team(request), timezone.now()
    given = {name: request.GET[name] for name in ("model", "kind", "severity") if request.GET.get(name)}
    form = SilenceForm(request.POST or None, initial=given)
    if request.method == "POST":
        actor.require(team, *MANAGERS)
        if form.is_valid():
            try:
                services.silence_create(
                    actor=actor, team=team, model=own_model(team, form.cleaned_data["model"]), **form.values()
                )  # fmt: skip
            except InvalidError as error:
                field = "lasts" if error.field == "ends_at" else error.field
                form.add_error(field if field in form.fields else None, str(error))
            else:
                messages.success(request, "It holds from now on. What comes up is recorded all the same.")
                return redirect(address("silences", team))
    rows = Silence.objects.filter(team=team).select_related("model", "team", "created_by", "confirmed_by", "ended_by")
    state = request.GET.get("state", "current")
    if state == "current":
        rows = rows.filter(ended_at__isnull=True, ends_at__gt=now)
    context = {
        "team": team,
        "teams": actor.teams().order_by("name"),
        "state": state,
        "page": page_of(request, rows, "-id"),
        "form": form,
        "now": now,
        "open_form": bool(given) or bool(form.errors),
        "may_manage": actor.role_in(team) in MANAGERS,
    }
    return render(request, "registry/silences.html", context, status=422 if form.errors else 200)


@require_POST
def silence_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Agree as a second person."""
    actor = actor_of(request)
    found = get_object_or_404(Silence.objects.filter(team__in=actor.teams()), pk=pk)
    services.silence_confirm(actor=actor, silence=found)
    messages.success(request, "Confirmed: critical alerts are silent for the whole of it.")
    return redirect(address("silences", found.team))


@require_POST
def silence_end(request: HttpRequest, pk: int) -> HttpResponse:
    """End a silence now."""
    actor = actor_of(request)
    found = get_object_or_404(Silence.objects.filter(team__in=actor.teams()), pk=pk)
    services.silence_end(actor=actor, silence=found)
    messages.success(request, "The silence is over. What is open and was told to nobody is told now.")
    return redirect(address("silences", found.team))
