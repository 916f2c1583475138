"""The whole path with a real Celery worker on a real broker, and the faults it has to survive."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest
import redis
from celery import Celery
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu import Connection

from jobs.hearing import Hearing
from jobs.models import Attempt, Job
from jobs.schedules import SCHEDULES
from jobs.services import job_create
from jobs.tasks import work
from tests import factories, job_kinds
from tests.webhooks import make_webhook, sent_to

pytest_plugins = ["tests.receivers"]

BROKER_DATABASE = 9  # of its own, so that flushing it disturbs no other test


@pytest.fixture
def broker_url(settings):
    url = urlunsplit(urlsplit(settings.CELERY_BROKER_URL)._replace(path=f"/{BROKER_DATABASE}"))
    redis.from_url(url).flushdb()
    return url


@pytest.fixture
def start_worker(broker_url, tmp_path):
    """Return a function that starts a worker process; what it started is gone after the test."""
    environment = os.environ | {
        "BROKER_URL": broker_url,
        "JOB_KIND_MODULES": "tests.job_kinds",
        "JOB_LEASE_SECONDS": "3",
        "JOB_HEARTBEAT_SECONDS": "0.3",
        "JOB_RETRY_SECONDS": "0",
        "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
        "JOB_SEATS": f"{job_kinds.QUEUE}=2",
    }
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "controlplane",
        "worker",
        "--pool",
        "threads",
        "--concurrency",
        "4",
    ]
    quiet = ["--queues", f"control,{job_kinds.QUEUE}", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    workers = []

    def start(**given):
        with (tmp_path / "worker.log").open("ab") as log:
            workers.append(subprocess.Popen([*command, *quiet], env=environment | given, stdout=log, stderr=log))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()


@contextmanager
def as_beat(broker_url):
    """Yield a function that sends the periodic tasks, as beat would."""
    with Celery(broker=broker_url) as app:
        yield lambda: [app.send_task(entry.task, queue="control", expires=2) for entry in SCHEDULES]


def wait_for(done, tick, *, seconds=120):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, list(Job.objects.values_list("pk", "state", "attempt", "error"))
        tick()
        time.sleep(0.3)


def make_jobs(count, **params):
    return [job_create(kind="test.effect", scope="flight-ops", title="A test", params=params) for _ in range(count)]


def unfinished():
    return Job.objects.unfinished().count()


@pytest.mark.django_db(transaction=True)
def test_killed_worker_and_wiped_broker_lose_and_double_nothing(broker_url, start_worker):
    jobs = make_jobs(20, seconds=0.3)
    worker = start_worker()

    with as_beat(broker_url) as tick:
        wait_for(lambda: Job.objects.filter(state="running").count() == 2, tick)
        children = psutil.Process(worker.pid).children(recursive=True)
        worker.kill()  # F1
        psutil.wait_procs(children, timeout=5)
        redis.from_url(broker_url).flushdb()  # F4

        start_worker()
        wait_for(lambda: unfinished() == 0, tick)

    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
    assert [job_kinds.effects(job.pk) for job in jobs] == [1] * 20
    assert {outcome for (outcome,) in Attempt.objects.values_list("outcome")} == {"lost", "succeeded"}


@pytest.mark.django_db(transaction=True)
def test_message_outlives_the_worker_that_was_killed_while_sending_it(broker_url, start_worker, receiver):
    team = factories.make_team()
    webhook, _ = make_webhook(team, url=receiver.url, events=["model.create"])
    factories.make_model(team)
    receiver.answers.clear()
    worker = start_worker()

    with as_beat(broker_url) as tick:
        wait_for(lambda: receiver.came, tick)
        worker.kill()  # it was heard, and its answer is lost
        receiver.answers.set()
        sent_to(webhook).update(next_attempt_at=timezone.now())  # as if its lease had run out
        start_worker()
        wait_for(lambda: sent_to(webhook).get().state == "sent", tick)

    assert len({headers["webhook-id"] for _, headers, _ in receiver.came}) == 1
    assert len(receiver.came) == sent_to(webhook).get().attempt == 2


@pytest.mark.django_db(transaction=True)
def test_stopped_worker_gives_its_job_back_at_once(broker_url, start_worker):
    (job,) = make_jobs(1, seconds=60)
    worker = start_worker()
    with as_beat(broker_url) as tick:
        wait_for(lambda: job.log.exists(), tick)

    worker.terminate()
    worker.wait(timeout=15)

    job.refresh_from_db()
    assert (job.state, job.attempts.get().outcome) == ("queued", "returned")


@pytest.mark.django_db(transaction=True)
def test_worker_that_went_deaf_ends_and_the_next_one_does_its_work(broker_url, start_worker, tmp_path):
    worker = start_worker(WORKER_DEAF_SECONDS="2")
    with as_beat(broker_url) as tick:
        (first,) = make_jobs(1)
        wait_for(lambda: unfinished() == 0, tick)
        wait_for(lambda: not psutil.Process(worker.pid).children(), tick)  # else it looks for more when that one ends
        with Celery(broker=broker_url) as app:  # from here on it hears nothing of the queue, and still answers a ping
            assert app.control.cancel_consumer(job_kinds.QUEUE, reply=True, timeout=20, limit=1)
        (second,) = make_jobs(1)
        wait_for(lambda: worker.poll() is not None, tick)
        assert Job.objects.get(pk=second.pk).state == "queued"

        start_worker()
        wait_for(lambda: unfinished() == 0, tick)

    assert [job_kinds.effects(job.pk) for job in (first, second)] == [1, 1]
    assert "this worker took none for 2 s, with a thread free" in (tmp_path / "worker.log").read_text()


def test_worker_is_deaf_only_where_messages_wait_and_a_thread_is_free():
    clock = [0.0]
    hearing = Hearing(["training", "control"], threads=1, now=lambda: clock[0])

    def deaf(at, **waiting):
        clock[0] = at
        return hearing.deaf_to(waiting, after_s=60)

    assert deaf(100) is None  # nothing was said
    assert deaf(159, training=3) is None
    hearing.heard("control")
    assert deaf(161, training=3, control=1) == "training"
    hearing.began()
    assert deaf(300, training=3) is None  # busy
    hearing.ended()
    assert deaf(359, training=3) is None
    assert deaf(361, training=3) == "training"


def test_unreachable_broker_is_no_error():
    with Connection("redis://127.0.0.1:1/0") as nowhere:
        assert work.apply_async((job_kinds.QUEUE,), connection=nowhere) is None


@pytest.mark.django_db
def test_schedules_are_written_once_and_follow_the_code():
    call_command("sync_schedules")
    ours = PeriodicTask.objects.get(task="jobs.tasks.relay")
    PeriodicTask.objects.filter(pk=ours.pk).update(enabled=False, expire_seconds=999)
    stale = PeriodicTask.objects.create(name="Old", task="gone", interval=ours.interval, description=ours.description)
    foreign = PeriodicTask.objects.create(name="By hand", task="x", interval=ours.interval)
    before = PeriodicTask.objects.count()

    call_command("sync_schedules")

    assert PeriodicTask.objects.count() == before - 1
    assert not PeriodicTask.objects.filter(pk=stale.pk).exists()
    assert PeriodicTask.objects.filter(pk=foreign.pk).exists()
    ours.refresh_from_db()
    assert (ours.enabled, ours.queue, ours.interval.every, ours.expire_seconds) == (False, "control", 2, 2)
    looks = PeriodicTask.objects.get(task="monitoring.tasks.look_for_drift")
    assert looks.queue == "watch"  # where it keeps nobody waiting
