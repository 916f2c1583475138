"""The page of scenarios; installations in production have no such address."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from controlplane.demo.drift_scenario import DRIFT
from controlplane.demo.people import TRAVEL
from controlplane.demo.playing import Named
from controlplane.demo.scenarios import SCENARIOS
from controlplane.demo.starting import KIND, scenario_start
from jobs.models import Job
from jobs.states import State as JobState
from monitoring.models import Retraining
from registry.access import WRITERS, Actor, actor_of
from registry.models import Team
from rollouts.models import Rollout

ALL: dict[str, Named] = {**SCENARIOS, DRIFT.name: DRIFT}


@dataclass(frozen=True)
class Shown:
    """A scenario as it stands: its last job, and its last rollout or retraining, which may be an earlier one's."""

    scenario: Named
    job: Job | None
    rollout: Rollout | None
    retraining: Retraining | None

    @property
    def is_running(self) -> bool:
        """Whether a job is at it, or waits for its turn."""
        return self.job is not None and self.job.state in (JobState.QUEUED, JobState.RUNNING)

    @property
    def blocked(self) -> str:
        """Why it cannot be started now; empty where it can."""
        if self.is_running:
            return "It runs."
        return "Its rollout is still open." if self.rollout and not self.rollout.ended_at else ""


@require_GET
@vary_on_headers("HX-Request")
def scenarios(request: HttpRequest) -> HttpResponse:
    """Show what can be rehearsed and how it stands; the page asks for its list again."""
    team = _team(actor_of(request))
    shown = [_shown(scenario) for scenario in ALL.values()]
    context = {
        "shown": shown,
        "may_start": actor_of(request).role_in(team) in WRITERS,
        "is_demo": settings.DEPLOYMENT == "demo",
        "team": team,
    }
    template = "scenarios.html#list" if "HX-Request" in request.headers else "scenarios.html"
    return render(request, template, context)


@require_POST
def scenario_begin(request: HttpRequest) -> HttpResponse:
    """Start the one that is named."""
    actor, name = actor_of(request), request.POST.get("name", "")
    _team(actor)
    if name not in ALL:
        raise Http404
    job = scenario_start(actor=actor, scenario=ALL[name])
    messages.success(
        request, f"{ALL[name].title}: it runs for a few minutes, with {job.params['rate']:g} requests a second."
    )
    return redirect("scenarios")


def _team(actor: Actor) -> Team:
    """Return the demo's team; to others there is no such page."""
    team = actor.teams().filter(slug=TRAVEL).first()
    if team is None:
        raise Http404
    return team


def _shown(scenario: Named) -> Shown:
    rollouts = Rollout.objects.filter(model__name=scenario.model, model__archived_at__isnull=True)
    retrainings = Retraining.objects.filter(model__name=scenario.model, model__archived_at__isnull=True)
    return Shown(
        scenario,
        job=Job.objects.filter(kind=KIND, subject=scenario.path).order_by("-id").first(),
        rollout=rollouts.select_related("candidate").first(),
        retraining=retrainings.select_related("version__model").first(),
    )
