"""What the registry itself looks at: jobs that failed or wait, evidence that ages, the audit chain."""

from datetime import datetime, timedelta
from urllib.parse import unquote

from django.db.models import Min, Q
from django.db.models.functions import Coalesce

from jobs.leases import full_scopes, most_at_once, running_by_scope
from jobs.models import Attempt, Job
from jobs.states import State
from registry.models import Alert, ModelVersion, RegisteredModel, Team
from registry.selectors.checks import checks_of
from registry.selectors.policies import policies_by_team
from registry.services.alert_looks import Found, alert_look, alert_sweep
from registry.states import PromotionState

PROCESS = "registry"
FAILED_FOR = timedelta(hours=24)
MOST_FAILED = 500
WAITS = timedelta(minutes=30)  # with workers that are at it
DEAF = timedelta(minutes=5)  # without one that started a job
SOON = timedelta(days=7)


def jobs_watch(*, now: datetime) -> None:
    """Look for jobs that failed for good: each kind and subject is bad until one succeeds, or for a day."""
    ended = Job.objects.filter(finished_at__gt=now - FAILED_FOR, state__in=[State.FAILED, State.SUCCEEDED])
    latest = ended.order_by("scope", "kind", "subject", "-finished_at").distinct("scope", "kind", "subject")
    failed = [
        job for job in latest.only("scope", "kind", "subject", "state", "title", "error") if job.state == State.FAILED
    ]
    teams = {team.slug: team for team in Team.objects.filter(slug__in={job.scope for job in failed})}
    found = [
        Found(
            key=f"jobs:{job.kind}:{job.subject}"[:200], title=f"{job.title} failed for good", link=job.path, team=teams[job.scope],
            model=_model_of(job, teams[job.scope]), next_step="Read the end of its log; mend what it says, then retry it on its page.",
        )
        for job in failed[:MOST_FAILED]
        if job.scope in teams
    ]  # fmt: skip
    alert_sweep(kind="jobs", found=found, process=PROCESS, now=now)


def queues_watch(*, now: datetime) -> None:
    """Look for queues whose jobs wait for long: critical where no worker has started one lately.

    Jobs that wait because their team has as many running as it may are told apart: more workers would change nothing for them.
    """
    since = Coalesce("run_after", "created_at")
    waiting = Job.objects.waiting().annotate(since=since).filter(since__lt=now - DEAF).order_by()
    oldest: dict[str, datetime] = {}
    held: dict[tuple[str, str], datetime] = {}
    for queue, scope, at in waiting.values_list("queue", "scope").annotate(oldest=Min("since")):
        if scope in full_scopes(queue, running_by_scope(queue)):
            held[queue, scope] = at
        else:
            oldest[queue] = min(at, oldest.get(queue, at))
    found = [one for queue, at in oldest.items() if (one := _queue_waits(queue, at, now))]
    teams = {team.slug: team for team in Team.objects.filter(slug__in={scope for _, scope in held})}
    for (queue, scope), at in held.items():
        if at <= now - WAITS:
            found.append(Found(
                key=f"queue_waits:{queue}:{scope}"[:200], link=f"/jobs/?state=queued&q={scope}", severity=Alert.Severity.WARNING,
                team=teams.get(scope),
                title=f"Jobs of {scope} in the queue {queue} have waited for {_minutes(at, now)} minutes for their team's limit of {most_at_once(scope, queue)}",
                next_step="Ask for less at once, or have the platform raise JOB_TEAM_SEATS for the team: more workers change nothing.",
            ))  # fmt: skip
    alert_sweep(kind="queue_waits", found=found, process=PROCESS, now=now)


def _queue_waits(queue: str, oldest: datetime, now: datetime) -> Found | None:
    """Return what is wrong with a queue whose oldest job that a worker could take waits since ``oldest``."""
    at_it = Q(started_at__gt=now - DEAF) | Q(ended_at__isnull=True)
    started = Attempt.objects.filter(at_it, job__queue=queue).exists()
    if started and oldest > now - WAITS:
        return None
    return Found(
        key=f"queue_waits:{queue}", link="/jobs/?state=queued",
        severity=Alert.Severity.WARNING if started else Alert.Severity.CRITICAL,
        title=f"Jobs of the queue {queue} have waited for {_minutes(oldest, now)} minutes{'' if started else ', and no worker takes them'}",
        next_step="Add workers for it, or ask less of it." if started else "Restart the worker of this queue; no job is lost.",
    )  # fmt: skip


def _minutes(since: datetime, now: datetime) -> int:
    return int((now - since).total_seconds() // 60)


def evidence_watch(*, now: datetime) -> None:
    """Look for evidence of champions and open promotions that policy will soon call stale."""
    teams = list(Team.objects.all())
    days = {key: policy.max_evidence_days for key, policy in policies_by_team(teams).items()}
    bounded = Q(pk__in=[])
    for (team_id, tier), limit in days.items():
        if limit is not None:
            bounded |= Q(model__team=team_id, model__risk_tier=tier)
    asked = Q(promotions__state__in=[state for state in PromotionState if state.is_open])
    versions = ModelVersion.objects.filter(bounded, archived_at=None, model__archived_at=None, model__retired_at=None)
    found: dict[int, Found] = {}
    for version in (
        versions.filter(Q(aliases__name="champion") | asked).distinct().select_related("model__team").iterator()
    ):
        model = version.model
        limit = days[model.team_id, model.risk_tier]
        criteria = model.criteria_sets.filter(state="agreed").first()
        if criteria is None or limit is None:
            continue
        measured = [check.evidence.measured_at for check in checks_of(version, criteria) if check.evidence]
        ends = min(measured) + timedelta(days=limit) if measured else None
        if ends is None or ends - now > SOON:
            continue
        when = (
            f"is older than {limit} days since {ends:%d %b %Y}"
            if ends <= now
            else f"will be older than {limit} days on {ends:%d %b %Y}"
        )
        found[model.pk] = Found(
            key="evidence_expiry:", title=f"Evidence for v{version.number} {when}", link=version.path, model=model, team=model.team,
            next_step="Evaluate the version on current data, from its page.",
        )  # fmt: skip
    alert_sweep(kind="evidence_expiry", found=found.values(), process=PROCESS, now=now)


def chain_watch(*, broken_at: int | None) -> None:
    """Tell the alerts what a walk along the audit chain found."""
    alert_look(
        kind="audit_chain", key="audit_chain:", breached=broken_at is not None, severity=Alert.Severity.CRITICAL, link="/audit/",
        title=f"The audit chain is broken at event {broken_at}", process=PROCESS,
        next_step="Keep the database as it is, run manage.py audit_verify, and tell security and internal audit.",
    )  # fmt: skip


def _model_of(job: Job, team: Team) -> RegisteredModel | None:
    """Return the model that a job's subject lies under, where it is one of the team's."""
    parts = job.subject.split("/")
    name = unquote(parts[2]) if len(parts) > 2 and parts[1] == "models" else ""
    return RegisteredModel.objects.live().filter(team=team, name=name).first() if name else None
