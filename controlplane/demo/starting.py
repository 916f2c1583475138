"""Starting a scenario from its page: a job runs it, so that it goes on when the browser leaves."""

from django.conf import settings

from controlplane.demo.people import TRAVEL
from controlplane.demo.playing import Named
from jobs.models import Job
from jobs.services import job_create
from jobs.states import State as JobState
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import Team
from rollouts.models import Rollout
from rollouts.states import OPEN

KIND = "scenario"
RATE = 100.0


def refuse_open(scenario: Named) -> None:
    """Refuse to begin beside a rollout of an earlier run.

    Raises:
        ConflictError: it waits for a person's decision, or is under way.
    """
    rollouts = Rollout.objects.filter(model__name=scenario.model, model__archived_at__isnull=True)
    if rollout := rollouts.filter(state__in=[state.value for state in OPEN]).first():
        raise ConflictError(
            f"{scenario.model} has an open rollout, {rollout.get_state_display()}.",
            unmet=[{"rule": "the rollout before is over", "who": f"an approver of the team ends it at {rollout.path}"}],
        )


@audited()
def scenario_start(*, actor: Actor, scenario: Named) -> Job:
    """Queue a job that runs a scenario; each run makes a new candidate.

    Raises:
        ConflictError: this is no demo, the scenario runs already, or its rollout of before is open.
        RoleError: the actor may only look.
    """
    if settings.DEPLOYMENT != "demo":
        raise ConflictError(f"This installation is {settings.DEPLOYMENT}; scenarios are the demo's alone.")
    team = Team.objects.select_for_update(no_key=True).get(slug=TRAVEL)  # two starts at once: the second sees the first
    actor.require(team, *WRITERS)
    running = Job.objects.filter(
        kind=KIND, subject=scenario.path, state__in=[JobState.QUEUED, JobState.RUNNING]
    ).first()
    if running:
        raise ConflictError(
            f"“{scenario.title}” runs already.",
            unmet=[
                {
                    "rule": "the run before is over",
                    "who": f"it ends by itself; anyone of the team cancels it at {running.path}",
                }
            ],
        )
    refuse_open(scenario)
    job = job_create(
        kind=KIND, scope=team.slug, title=f"Scenario: {scenario.title.lower()}", subject=scenario.path,
        params={"name": scenario.name, "rate": RATE, "speed": 1.0}, created_by=actor.user,
    )  # fmt: skip
    audit(
        action="scenario.start", subject=scenario.path, actor=actor, team=team.slug,
        payload={"scenario": scenario.name, "job": job.pk},
    )  # fmt: skip
    return job
