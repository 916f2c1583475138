"""A dry run: what a plan would have done with the traffic that is recorded."""

import math
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from registry.access import actor_of
from registry.models import RegisteredModel
from registry.views.models import visible_model
from rollouts.models import Rollout
from rollouts.plans.dry_run import Replay, replay_arms, replay_parted
from rollouts.plans.plan import Plan
from rollouts.plans.text import PlanTextError, plan_from_yaml, plan_to_yaml
from rollouts.plans.units import show_share
from rollouts.recordings import parted_spans, trial_spans
from rollouts.screen.charts import Chart, chart
from rollouts.views.plan_editor import typed_plan
from rollouts.views.plans import shown_plan

RATIOS = ("1", "1.5", "2", "4")
POINTS = 60
OUTCOMES = {
    "promoted": ("pass", "Would have reached 100%"),
    "rolled_back": ("fail", "Would have rolled back"),
    "awaiting": ("pending", "Would wait for a person"),
    "open": ("live", "Would still be under way"),
}


@dataclass(frozen=True)
class Asked:
    """What is replayed: the last 48 hours with a candidate that is made up, or a past rollout as it was."""

    ratio: str
    past: Rollout | None


@require_http_methods(["GET", "POST"])
def dry_run(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what to replay; the answer is fetched by the page, since it takes a few seconds. A plan being edited comes by POST."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    values = request.POST if request.method == "POST" else request.GET
    text, fault = values.get("plan", ""), None
    try:
        if text:
            plan: Plan | None = plan_from_yaml(text)
        elif request.method == "POST":
            plan = typed_plan(request)
        else:
            shown = shown_plan(request, model)
            plan = shown.plan if shown.document is not None else None
    except PlanTextError as error:
        plan, fault = None, error
    asked = _asked(values, model)
    context: dict[str, Any] = {
        "model": model,
        "plan": plan,
        "fault": fault,
        "text": plan_to_yaml(plan) if plan else text,
        "asked": asked,
        "ratios": RATIOS,
        "past": list(Rollout.objects.filter(model=model, trial__isnull=False).select_related("candidate")[:10]),
    }
    if "HX-Request" in request.headers:
        return render(request, "rollouts/dry_run.html#told", context | (_told(plan, model, asked) if plan else {}))
    return render(
        request, "rollouts/dry_run.html", context, status=422 if plan is None and request.method == "POST" else 200
    )


def _asked(values: Any, model: RegisteredModel) -> Asked:
    past, ratio = values.get("past", ""), values.get("ratio", "1")
    found = None
    if past:
        found = get_object_or_404(
            Rollout.objects.filter(model=model, trial__isnull=False).select_related("candidate", "champion", "trial"),
            pk=past if past.isdigit() else 0,
        )
    return Asked(ratio if ratio in RATIOS else "1", found)


def _told(plan: Plan, model: RegisteredModel, asked: Asked) -> dict[str, Any]:
    done = replayed(plan, model, asked)
    if done is None:
        return {"done": None}
    mark, word = OUTCOMES[done.outcome]
    return {
        "done": done,
        "mark": mark,
        "word": word,
        "moves": [{"of": move, "weight": show_share(move.weight_bp)} for move in done.moves],
        "charts": _charts(plan, done),
    }


def replayed(plan: Plan, model: RegisteredModel, asked: Asked) -> Replay | None:
    """Return what the plan would have done; None where nothing is recorded."""
    if asked.past:
        return replay_arms(plan, trial_spans(asked.past))
    return replay_parted(plan, parted_spans(model, plan, now=timezone.now()), ratio=float(asked.ratio))


def _charts(plan: Plan, done: Replay) -> list[Chart]:
    """Return the evidence of each guardrail over the replay, at most three."""
    drawn: list[Chart] = []
    if not done.moves or done.at is None:
        return drawn
    span = max((done.at - done.moves[0].at).total_seconds(), 1.0)
    marks = [
        ((move.at - done.moves[0].at).total_seconds() / span, show_share(move.weight_bp))
        for move in done.moves
        if move.weight_bp
    ]
    for verdict in [one for one in done.verdicts if done.curves.get(one.metric)][:3]:
        favour: list[float | None] = [None] * POINTS
        against: list[float | None] = [None] * POINTS
        for at, one, other in done.curves.get(verdict.metric, []):
            place = min(int((at - done.moves[0].at).total_seconds() / span * POINTS), POINTS - 1)
            against[place], favour[place] = one, other
        failed = verdict.outcome == "fail"
        limit = (
            (verdict.threshold, f"fail at {math.exp(verdict.threshold):.3g}", "lim")
            if failed
            else (verdict.pass_threshold, f"pass at {1 / plan.alpha:.3g}", "ok")
        )
        words = "that it is worse" if failed else "that it is good enough"
        drawn.append(
            chart(
                f"dry-{len(drawn)}",
                f"Evidence {words}, {verdict.metric}, log scale",
                [],
                against if failed else favour,
                marks=marks,
                limit=limit,
                log=True,
            )
        )
    return drawn
