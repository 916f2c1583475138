"""One rollout, live; the board of all; and what other pages fetch of them."""

import csv
from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from jobs.paging import page_of
from monitoring.models import TrialDisagreement
from monitoring.selectors import features_in_common
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.models import ReferenceProfile
from registry.selectors import policy_for, wants_rollout
from registry.states import PromotionState
from registry.views.models import visible_model
from registry.views.promotions import visible_promotion
from rollouts.links import seen
from rollouts.lookup import rollouts_of
from rollouts.models import Rollout, RoutingTable
from rollouts.plans.units import show_share
from rollouts.screen.acts import acts_for, choices_for, may_bring_plan
from rollouts.screen.board import board_rows
from rollouts.screen.chart_set import charts_of
from rollouts.screen.history import all_lines, rollout_log
from rollouts.screen.lines import rollout_lines
from rollouts.screen.page import screen
from rollouts.selectors import plan_for
from rollouts.states import OPEN, State

BOARD = DIFFERENCES = 25
AFTERWARDS = timedelta(seconds=30)  # the table without the candidate follows the end
STATES = {"open": OPEN, "over": (State.PROMOTED, State.ROLLED_BACK, State.ABORTED)}


def visible_rollout(actor: Actor, pk: int) -> Rollout:
    """Return a rollout of the actor's teams, or 404."""
    return get_object_or_404(rollouts_of(actor), pk=pk)


@require_GET
@vary_on_headers("HX-Request")
def rollout(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one rollout; htmx asks for what moves, or for the log alone."""
    return rollout_page(request, visible_rollout(actor_of(request), pk))


def rollout_page(
    request: HttpRequest, found: Rollout, *, refused: RefusedError | None = None, reason: str = "", status: int = 200
) -> HttpResponse:
    """Render the page of a rollout.

    Args:
        refused: what was just refused.
        reason: what was typed meanwhile.
    """
    actor = actor_of(request)
    start, metric = request.GET.get("start", ""), request.GET.get("metric", "")
    asked = request.GET.get("part", "moving") if "HX-Request" in request.headers else ""
    context: dict[str, Any] = {
        "rollout": found,
        "model": found.model,
        "plan": found.plan,
        "is_open": State(found.state).is_open,
        "seen": seen(found),
        "start": start,
        "metric": metric,
        "refused": refused,
        "reason": reason,
    }
    if asked != "log":
        choices = choices_for(found, actor)
        context |= {
            "screen": screen(found, now=timezone.now()),
            "acts": acts_for(found, actor),
            "deciding": found.state == State.AWAITING,
            "choices": choices,
            "may_decide": bool(choices) and not choices[0].blocked,
            "who_decides": choices[0].blocked if choices else "",
            "waits_here": found.state == State.AWAITING and bool(choices) and not choices[0].blocked,
        }
    if asked != "moving":
        context |= {"lines": rollout_log(found, start=start, metric=metric), "tables": _tables(found)}
    template = "rollouts/rollout.html" + {"": "", "log": "#log"}.get(asked, "#moving")
    return render(request, template, context, status=status)


@require_GET
def rollout_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand over the whole log of a rollout as CSV, oldest first."""
    found = visible_rollout(actor_of(request), pk)
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="rollout-{found.pk}.csv"'},
    )
    rows = csv.writer(answer)
    rows.writerow(["id", "at", "what", "metric", "weight", "text", "actor"])
    for line in all_lines(found):
        cells = (line.anchor, line.at.isoformat(), line.word, line.metric, line.weight, line.text, line.actor)
        rows.writerow([f"'{cell}" if cell[:1] in "=+-@\t" else cell for cell in cells])  # a sheet must not calculate it
    return answer


@require_GET
@vary_on_headers("HX-Request")
def board(request: HttpRequest) -> HttpResponse:
    """List the rollouts of the reader's teams, newest first: open ones unless others are asked for."""
    actor = actor_of(request)
    state = request.GET.get("state", "open")
    team, words = request.GET.get("team", ""), request.GET.get("q", "").strip()
    rows = rollouts_of(actor)
    if state in STATES:
        rows = rows.filter(state__in=STATES[state])
    elif state in {one.value for one in State}:
        rows = rows.filter(state=state)
    if team:
        rows = rows.filter(model__team__slug=team)
    if words:
        rows = rows.filter(model__name__icontains=words)
    page = page_of(request, rows, "-id", size=BOARD)
    now = timezone.now()
    context = {
        "state": state,
        "team": team,
        "q": words,
        "teams": actor.teams().order_by("name"),
        "states": [(one.value, one.value.replace("_", " ")) for one in State],
        "page": page,
        "rows": board_rows(page.rows, now),
        "filtered": bool(team or words or state not in STATES),
        "moves": state == "open",
    }
    template = "rollouts/board.html#table" if "HX-Request" in request.headers else "rollouts/board.html"
    return render(request, template, context)


@require_GET
def rollout_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show a model's open rollout, or its last one; the model's page fetches this by itself."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    found = rollouts_of(actor).filter(model=model).first()
    shown = board_rows([found], timezone.now()) if found else []
    return render(request, "rollouts/panel.html", {"model": model, "row": shown[0] if shown else None})


@require_GET
def promotion_panel(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the rollouts of a promotion, and the plan that it goes by; the promotion's page fetches this by itself."""
    actor = actor_of(request)
    promotion = visible_promotion(actor, pk)
    found = list(rollouts_of(actor).filter(promotion=promotion))
    plan = plan_for(promotion)
    ahead = promotion.state in (PromotionState.REQUESTED, PromotionState.APPROVED)
    context = {
        "promotion": promotion,
        "model": promotion.model,
        "rows": board_rows(found, timezone.now()),
        "goes_by": plan if ahead and promotion.alias == "champion" else None,
        "wanted": wants_rollout(promotion, policy_for(promotion.model)),
        "way": [show_share(step.weight_bp) for step in plan.plan.steps] if plan.document else [],
        "may_bring": may_bring_plan(actor, promotion),
    }
    return render(request, "rollouts/promotion_panel.html", context)


def _tables(found: Rollout) -> list[RoutingTable]:
    """Return the routing tables that were published meanwhile and say so, oldest first."""
    rows = RoutingTable.objects.filter(published_at__gte=found.started_at, reason__contains=found.model.name)
    if found.ended_at:
        rows = rows.filter(published_at__lte=found.ended_at + AFTERWARDS)
    return list(rows.defer("document").order_by("version")[:20])


@require_GET
def rollout_charts(request: HttpRequest, pk: int) -> HttpResponse:
    """Draw latency, the first guardrail that counts events, and the evidence of the one that is nearest to open."""
    found = visible_rollout(actor_of(request), pk)
    lines = rollout_lines(found, now=timezone.now())
    context = {
        "lines": lines,
        "charts": charts_of(found, lines) if lines else [],
        "is_open": State(found.state).is_open,
    }
    return render(request, "rollouts/charts.html", context)


@require_GET
def rollout_differences(request: HttpRequest, pk: int) -> HttpResponse:
    """Show on which requests both versions differ most, and what those requests have in common."""
    found = visible_rollout(actor_of(request), pk)
    guards = _guards_that_differ(found)
    guard = request.GET.get("guard", "") or (guards[0] if guards else "")
    if guard and guard not in guards:
        raise Http404
    rows = (
        TrialDisagreement.objects.filter(trial=found.trial, guard=guard)
        if found.trial
        else TrialDisagreement.objects.none()
    )
    context = {
        "rollout": found,
        "model": found.model,
        "guards": guards,
        "guard": guard,
        "page": page_of(request, rows, "-size", "id", size=DIFFERENCES),
        "common": features_in_common(found.trial, guard) if found.trial and guard else [],
        "has_reference": ReferenceProfile.objects.filter(version=found.champion).exists(),
    }
    return render(request, "rollouts/differences.html", context)


def _guards_that_differ(found: Rollout) -> list[str]:
    """Return the guardrails of which differences were kept, in the plan's order."""
    kept = TrialDisagreement.objects.filter(trial=found.trial) if found.trial else TrialDisagreement.objects.none()
    names = set(kept.order_by().values_list("guard", flat=True).distinct())
    return [guard.name for guard in found.plan.guardrails if guard.name in names]
