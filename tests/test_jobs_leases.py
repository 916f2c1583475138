"""Claims, leases and the fencing token: who may write to a job, and for how long."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from celery.utils.imports import symbol_by_name
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from jobs import leases
from jobs.kinds import JobContext
from jobs.leases import (
    JobCancelledError,
    LeaseLostError,
    Pulse,
    job_claim,
    job_fail,
    job_finish,
    job_heartbeat,
    job_log,
    job_progress,
    jobs_reap,
)
from jobs.models import Job, LogLine, Slot
from jobs.selectors import waiting_of
from jobs.services import SlotTakenError, job_cancel, job_create, job_retry, slot_take
from jobs.state_table import IllegalMoveError
from jobs.states import Outcome
from jobs.tasks import relay, work
from tests import job_kinds

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def retry_at_once(settings):
    settings.JOB_RETRY_SECONDS = 0


def make_job(kind="test.effect", scope="flight-ops", **fields):
    return job_create(kind=kind, scope=scope, title="A test", **fields)


def claim():
    return job_claim(queue=job_kinds.QUEUE, worker="here:1")


def expire(job):
    Job.objects.filter(pk=job.pk).update(lease_expires_at=F("lease_expires_at") - timedelta(hours=1))


def in_threads(count, action):
    """Run ``action`` in ``count`` threads at once, each with its own connection, and return what each returned."""
    start, results = threading.Barrier(count), []

    def run():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '10s'")  # a fault fails instead of hanging
            start.wait()
            results.append(action())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_claim_takes_the_lease_and_raises_the_token():
    made = make_job()

    job = claim()

    assert (job.pk, job.state, job.attempt, job.worker) == (made.pk, "running", 1, "here:1")
    assert timedelta(seconds=28) < job.lease_expires_at - job.started_at <= timedelta(seconds=30)
    assert job.attempts.get().number == 1
    assert claim() is None


def test_claim_prefers_priority_then_age_and_waits_for_run_after():
    later = make_job()
    Job.objects.filter(pk=later.pk).update(run_after=timezone.now() + timedelta(hours=1))
    first, second, urgent = make_job(), make_job(), make_job(priority=5)

    assert [claim().pk, claim().pk, claim().pk] == [urgent.pk, first.pk, second.pk]
    assert claim() is None


def test_claim_gives_turns_to_who_has_least_and_holds_a_team_to_its_limit(settings):
    many = [make_job() for _ in range(3)]
    other = make_job(scope="fraud")
    assert [claim().pk for _ in range(3)] == [many[0].pk, other.pk, many[1].pk]

    settings.JOB_TEAM_SEATS = {job_kinds.QUEUE: 1, f"flight-ops:{job_kinds.QUEUE}": 2}
    more = make_job(scope="fraud", priority=5)
    assert claim() is None
    held, theirs = waiting_of(many[2]), waiting_of(more)
    assert (held.reason, held.running, held.limit, theirs.reason, theirs.limit) == ("team_limit", 2, 2, "team_limit", 1)
    assert held.words == "Its team may run 2 of this queue at once, and 2 run; it begins when one of them ends."
    assert waiting_of(Job.objects.get(pk=many[0].pk)) is None
    job_finish(job_id=other.pk, attempt=1, result={})
    assert claim() == more
    assert claim() is None
    job_finish(job_id=many[0].pk, attempt=1, result={})
    assert claim() == many[2]


def test_a_waiting_job_knows_how_many_go_first_as_claims_then_go(settings):
    settings.JOB_TEAM_SEATS = {f"held:{job_kinds.QUEUE}": 1}
    made = [make_job(scope=scope) for scope in ("held", "busy", "held", "busy", "busy", "idle")]
    made += [make_job(scope="idle", priority=5)]
    for _ in range(3):
        claim()  # the urgent one, then of each team with none running its oldest
    queued = [job for job in made if Job.objects.get(pk=job.pk).state == "queued"]
    free = [job for job in queued if job.scope != "held"]

    ahead = {job.pk: waiting_of(job).ahead for job in free}

    assert waiting_of(queued[0]).reason == "team_limit"
    assert sorted(ahead.values()) == [*range(len(free))]
    assert claim().pk == min(ahead, key=ahead.get)
    Job.objects.filter(pk=queued[0].pk).update(run_after=timezone.now() + timedelta(hours=1))
    paused = waiting_of(Job.objects.get(pk=queued[0].pk))
    assert (paused.reason, paused.until is not None) == ("pause", True)
    assert "after a failed attempt" in paused.words


def test_a_job_that_is_claimed_while_its_page_is_made_is_not_told_to_pause():
    read_before = make_job()
    claim()

    assert waiting_of(read_before).reason == "turn"


@pytest.mark.parametrize(
    ("skew_s", "age_s", "dropped"),
    [(3600, 0, False), (3600, 60, True), (0, 0, False), (0, 60, True), (-3600, 0, False)],
)
def test_a_wrong_clock_drops_no_nudge_and_keeps_no_old_one(monkeypatch, skew_s, age_s, dropped):  # F6
    sent = timezone.now() - timedelta(seconds=age_s)
    message = FakeMessage(work, expires=(sent + timedelta(seconds=30)).isoformat())
    request = symbol_by_name(work.Request)(message, app=work.app, task=work, headers=message.headers)
    monkeypatch.setattr("jobs.clock._now_utc", lambda: timezone.now() + timedelta(seconds=skew_s))
    monkeypatch.setattr("celery.worker.request.datetime", Skewed(skew_s))

    assert bool(request.maybe_expire()) is dropped
    assert (relay.Request, work.Request) == ("jobs.clock:PatientRequest",) * 2


class Skewed:
    """A clock that is wrong."""

    def __init__(self, seconds):
        self.seconds = seconds

    def now(self, zone=None):
        return timezone.now() + timedelta(seconds=self.seconds)


class FakeMessage:
    """What a broker hands over."""

    def __init__(self, task, **headers):
        self.headers = {"id": "1", "task": task.name, "lang": "py", "retries": 0, "timelimit": (None, None)} | headers
        self.properties, self.delivery_info, self.payload, self.body = {}, {}, [[], {}, {}], b"[[], {}, {}]"
        self.content_type, self.content_encoding = "application/json", "utf-8"


@pytest.mark.django_db(transaction=True)
def test_claims_at_once_do_not_exceed_a_teams_limit(settings):
    settings.JOB_TEAM_SEATS = {job_kinds.QUEUE: 3}
    for _ in range(16):
        make_job()

    assert len([job for job in in_threads(8, claim) if job]) == 3


@pytest.mark.django_db(transaction=True)
def test_claim_is_exclusive_among_eight_threads():
    made = {make_job().pk for _ in range(40)}

    def claim_all():
        taken = []
        while job := claim():
            taken.append(job.pk)
        return taken

    taken = [pk for share in in_threads(8, claim_all) for pk in share]

    assert len(taken) == 40
    assert set(taken) == made


def test_stale_attempt_can_do_nothing():
    make_job()
    stale = claim()
    expire(stale)
    jobs_reap()
    now = claim()
    held = {"job_id": stale.pk, "attempt": stale.attempt}

    assert job_heartbeat(**held) is Pulse.LOST
    for write in (
        lambda: job_progress(**held, share=0.5, phase="late"),
        lambda: job_log(**held, text="late"),
        lambda: job_fail(**held, error="late"),
        lambda: job_finish(**held, result={"late": True}),
    ):
        with pytest.raises(LeaseLostError):
            write()

    now.refresh_from_db()
    assert (now.state, now.attempt, now.progress, now.result, now.error) == ("running", 2, 0, {}, "")


def test_stale_attempt_leaves_no_effect():
    make_job()
    stale = JobContext.of(claim())
    Job.objects.update(attempt=2)

    with pytest.raises(LeaseLostError), stale.finish({}):
        Slot.objects.create(schedule="effect", slot=timezone.now())

    assert not Slot.objects.exists()


def test_finish_commits_effect_and_success_together():
    make_job()
    job = claim()
    result: dict[str, int] = {}

    with JobContext.of(job).finish(result):
        Slot.objects.create(schedule="effect", slot=timezone.now())
        result["rows"] = 3

    job.refresh_from_db()
    assert (job.state, job.progress, job.result, job.lease_expires_at) == ("succeeded", 1, {"rows": 3}, None)
    assert job.attempts.get().outcome == "succeeded"
    assert job.finished_at >= job.started_at
    assert Slot.objects.count() == 1


@pytest.mark.parametrize("skew", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_wrong_clock_expires_no_lease(monkeypatch, skew):  # F6
    really = time.time
    monkeypatch.setattr(time, "time", lambda: really() + skew.total_seconds())
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + skew)
    make_job()
    job = claim()

    assert jobs_reap() == []
    assert job_heartbeat(job_id=job.pk, attempt=1) is Pulse.ALIVE
    assert jobs_reap() == []
    job.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        assert timedelta(0) < job.lease_expires_at - cursor.fetchone()[0] <= timedelta(seconds=30)


def test_heartbeat_renews_the_lease():
    make_job()
    job = claim()
    expire(job)

    assert job_heartbeat(job_id=job.pk, attempt=1) is Pulse.ALIVE

    assert jobs_reap() == []


@pytest.mark.django_db(transaction=True)
def test_heartbeat_and_reaper_pass_by_a_job_that_is_being_finished():
    make_job()
    job = claim()
    expire(job)

    with transaction.atomic():
        leases.job_hold(job_id=job.pk, attempt=1)
        pulses = in_threads(1, lambda: job_heartbeat(job_id=job.pk, attempt=1))
        reaped = in_threads(1, jobs_reap)

    assert (pulses, reaped) == ([Pulse.ALIVE], [[]])


def test_reaper_queues_again_until_no_attempt_is_left():
    job = make_job("test.raise")  # two attempts
    for _ in range(2):
        expire(claim())
        assert jobs_reap() == [job.pk]

    job.refresh_from_db()
    assert job.state == "failed"
    assert job.error == "Worker here:1 stopped renewing its lease."
    assert list(job.attempts.values_list("outcome", flat=True)) == ["lost", "lost"]
    assert [line.text for line in job.log.all()] == [
        "Attempt 1 of 2: lost; queued again.",
        "Attempt 2 of 2: lost; no attempt is left.",
    ]


def test_failure_waits_before_the_next_attempt(settings):
    settings.JOB_RETRY_SECONDS = 60
    make_job()
    job = claim()

    job_fail(job_id=job.pk, attempt=1, error="ValueError: no such column\x00")

    job.refresh_from_db()
    assert job.state == "queued"
    assert job.error == "ValueError: no such column\N{REPLACEMENT CHARACTER}"
    assert job.run_after > timezone.now() + timedelta(seconds=50)
    assert claim() is None


def test_failures_are_bounded_and_a_person_may_retry():
    job = make_job("test.raise")
    for attempt in (1, 2):
        claim()
        job_fail(job_id=job.pk, attempt=attempt, error="no")
    job.refresh_from_db()
    assert job.state == "failed"

    Job.objects.update(memory_mb=1)  # as an earlier release declared it

    job = job_retry(job_id=job.pk, by="eve")

    assert (job.state, job.max_attempts, job.error, job.finished_at) == ("queued", 4, "", None)
    assert (job.timeout_s, job.memory_mb) == (30, 500)
    assert claim().attempt == 3
    with pytest.raises(IllegalMoveError):
        job_retry(job_id=job.pk, by="eve")


def test_cancel_of_a_waiting_job_is_immediate():
    job = job_cancel(job_id=make_job().pk, by="eve")

    assert job.state == "cancelled"
    assert job.finished_at
    assert claim() is None
    with pytest.raises(IllegalMoveError):
        job_cancel(job_id=job.pk, by="eve")


def test_cancel_of_a_running_job_is_a_flag_that_the_holder_reads():
    make_job()
    job = claim()
    context = JobContext.of(job)

    job_cancel(job_id=job.pk, by="eve")
    job_cancel(job_id=job.pk, by="bob")

    job.refresh_from_db()
    assert job.state == "running"
    assert job_heartbeat(job_id=job.pk, attempt=1) is Pulse.CANCEL
    with pytest.raises(JobCancelledError):
        context.progress(0.5, "half")
    with pytest.raises(JobCancelledError), context.finish({}):
        Slot.objects.create(schedule="effect", slot=timezone.now())
    assert not Slot.objects.exists()
    assert job_fail(job_id=job.pk, attempt=1, error="stopped") == "cancelled"
    assert job.attempts.get().outcome == Outcome.CANCELLED
    assert [line.text for line in job.log.all()] == ["eve asked to cancel.", "Attempt 1 of 5: cancelled."]


def test_cancelled_job_of_a_lost_worker_is_not_queued_again():
    make_job()
    job = claim()
    job_cancel(job_id=job.pk, by="eve")
    expire(job)

    jobs_reap()

    job.refresh_from_db()
    assert job.state == "cancelled"


def test_returned_attempt_does_not_count():
    make_job("test.raise")
    job = claim()

    leases.job_return(job_id=job.pk, attempt=1)

    job.refresh_from_db()
    assert (job.state, job.attempt, job.max_attempts) == ("queued", 1, 3)
    assert job.attempts.get().outcome == "returned"


def test_progress_is_written_sparingly_and_cut_to_a_share():
    make_job()
    job = claim()
    context = JobContext.of(job)

    context.progress(0.1, "Read")
    context.progress(0.2, "Read")
    job.refresh_from_db()
    assert (job.progress, job.phase) == (0.1, "Read")
    context.progress(1.7, "Train")

    job.refresh_from_db()
    assert (job.progress, job.phase) == (1.0, "Train")


@pytest.mark.django_db(transaction=True)
def test_log_lines_are_numbered_without_gaps_by_many_writers():
    make_job()
    job = claim()

    in_threads(8, lambda: [job_log(job_id=job.pk, attempt=1, text="a\nb") for _ in range(5)])

    assert list(job.log.values_list("number", flat=True)) == list(range(1, 81))


def test_log_survives_what_the_database_cannot_hold():
    make_job()
    job = claim()

    job_log(job_id=job.pk, attempt=1, text=f"nul \x00\n{'x' * 9000}")

    first, second = LogLine.objects.filter(job=job)
    assert first.text == "nul \N{REPLACEMENT CHARACTER}"
    assert len(second.text) == leases.LONGEST_LINE


@pytest.mark.django_db(transaction=True)
def test_slot_is_taken_once_by_eight_threads():
    slot = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def create():
        try:
            return job_create(kind="test.effect", scope="flight-ops", title="Drift", slot=("drift of x", slot)).pk
        except SlotTakenError:
            return None

    made = [pk for pk in in_threads(8, create) if pk]

    assert [job.pk for job in Job.objects.all()] == made
    assert Slot.objects.get().job_id == made[0]
    assert not slot_take(schedule="drift of x", slot=slot)
    assert slot_take(schedule="drift of x", slot=slot + timedelta(hours=1))
