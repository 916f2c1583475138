"""What the clock looks at by itself: jobs, queues, evidence, the audit chain, gateways."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from jobs.models import Attempt, Job
from registry.models import Alert, AuditCheck, Evidence
from registry.services import alert_watch
from rollouts.gateways.watch import gateways_watch
from rollouts.models import GatewayProcess, RoutingTable
from serving.contract import GatewayState
from tests import factories

pytestmark = pytest.mark.django_db


def job(team, state, *, minutes=5, kind="train", subject="", **fields):
    now = datetime.now(UTC)
    return Job.objects.create(
        kind=kind, queue="training", scope=team.slug, title="Train it", subject=subject, state=state,
        **({"finished_at": now - timedelta(minutes=minutes)} if state in ("failed", "succeeded") else {}) | fields,
    )  # fmt: skip


def opened(kind):
    return list(Alert.objects.open().filter(kind=kind).order_by("id"))


def test_failed_job_is_an_alert_of_its_team_and_model_until_one_succeeds():
    model = factories.make_model()
    failed = job(model.team, "failed", subject=f"{model.path}versions/1/")
    job(model.team, "succeeded", kind="evaluate")
    alert_watch.jobs_watch(now=datetime.now(UTC))

    [alert] = opened("jobs")
    assert (alert.team, alert.model, alert.link) == (model.team, model, failed.path)
    job(model.team, "succeeded", minutes=1, subject=f"{model.path}versions/1/")
    alert_watch.jobs_watch(now=datetime.now(UTC))
    assert not opened("jobs")


def test_queue_that_nobody_takes_from_is_critical_after_two_looks_and_over_once_somebody_does():
    team = factories.make_team()
    waits = job(team, "queued")
    Job.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=6))
    alert_watch.queues_watch(now=datetime.now(UTC))
    assert not opened("queue_waits")
    alert_watch.queues_watch(now=datetime.now(UTC))

    [alert] = opened("queue_waits")
    assert (alert.team, alert.severity) == (None, "critical")
    Attempt.objects.create(job=waits, number=1, worker="w", started_at=datetime.now(UTC))
    alert_watch.queues_watch(now=datetime.now(UTC))
    assert not opened("queue_waits")


def test_jobs_that_wait_for_their_teams_limit_are_told_apart_from_those_that_lack_workers(settings):
    settings.JOB_TEAM_SEATS = {"training": 1}
    team = factories.make_team()
    at = datetime.now(UTC)
    running, held = job(team, "running", lease_expires_at=at), job(team, "queued")
    Attempt.objects.create(job=running, number=1, worker="w", started_at=at)
    Job.objects.filter(pk=held.pk).update(created_at=at - timedelta(minutes=40))
    for _ in range(2):
        alert_watch.queues_watch(now=at)

    [alert] = opened("queue_waits")
    assert (alert.team, alert.severity) == (team, "warning")
    assert (
        f"Jobs of {team.slug} in the queue training have waited for 40 minutes for their team's limit of 1"
        in alert.title
    )
    assert "more workers change nothing" in alert.next_step
    settings.JOB_TEAM_SEATS = {}
    for _ in range(2):
        alert_watch.queues_watch(now=at)
    assert [(one.team, one.next_step[:11]) for one in opened("queue_waits")] == [(None, "Add workers")]


def test_evidence_that_policy_will_soon_call_stale_is_an_alert_until_it_is_measured_anew():
    version = factories.make_champion()
    factories.change_policy(version.model.team, max_evidence_days=30)
    now = datetime.now(UTC)
    alert_watch.evidence_watch(now=now + timedelta(days=22))
    assert not opened("evidence_expiry")
    alert_watch.evidence_watch(now=now + timedelta(days=24))

    [alert] = opened("evidence_expiry")
    assert (alert.model, alert.link) == (version.model, version.path)
    assert f"v{version.number} will be older than 30 days" in alert.title
    assert Evidence.objects.exists()
    alert_watch.evidence_watch(now=now)
    assert not opened("evidence_expiry")


def test_broken_chain_is_a_critical_alert_of_the_installation():
    alert_watch.chain_watch(broken_at=7)

    [alert] = opened("audit_chain")
    assert (alert.team, alert.severity, "at event 7" in alert.title) == (None, "critical", True)
    alert_watch.chain_watch(broken_at=None)
    assert not opened("audit_chain")
    assert not AuditCheck.objects.exists()


def test_gateways_that_fell_silent_are_an_alert_and_over_once_they_speak():
    now = datetime.now(UTC)
    process = GatewayProcess.objects.create(
        token=None, spool_id="host-1-1", state={}, last_seen_at=now - timedelta(seconds=61)
    )
    for _ in range(2):
        gateways_watch(now=now)

    [alert] = opened("gateway_stale")
    assert (alert.team, alert.severity, alert.title.startswith("The gateways of this host")) == (None, "critical", True)
    GatewayProcess.objects.filter(pk=process.pk).update(last_seen_at=now)
    gateways_watch(now=now)
    assert not opened("gateway_stale")


def test_installation_without_gateways_has_no_alert():
    RoutingTable.objects.create(
        version=2, digest="sha256:x", document={}, reason="x", published_at=datetime.now(UTC) - timedelta(hours=1)
    )
    for _ in range(2):
        gateways_watch(now=datetime.now(UTC))

    assert not Alert.objects.exists()


def test_gateway_that_does_not_follow_is_an_alert_after_two_looks_and_over_once_it_follows(settings):
    now = datetime.now(UTC)
    for version, minutes in ((4, 5), (5, 2), (6, 0)):  # nobody is expected to follow the one of this minute yet
        RoutingTable.objects.create(
            version=version, digest=f"sha256:{version}", document={}, reason="x",
            published_at=now - timedelta(minutes=minutes),
        )  # fmt: skip
    path = Path(settings.SPOOL_ROOT) / "eu1-4711" / "state.json"
    path.parent.mkdir(parents=True)

    def tell(table, error=""):
        path.write_bytes(msgspec.json.encode(GatewayState("eu1-4711", table, error, {}, [], [])))

    tell(4, "The table is not readable.")
    gateways_watch(now=now)
    assert not opened("gateway_stale")
    gateways_watch(now=now)

    [alert] = opened("gateway_stale")
    assert (alert.team, alert.title) == (None, "Gateway eu1-4711 follows table 4, not 5")
    assert alert.next_step == "The table is not readable. Change no champion until it follows."
    tell(5)
    gateways_watch(now=now)
    assert not opened("gateway_stale")
