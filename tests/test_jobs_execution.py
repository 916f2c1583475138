"""What a worker does with one claimed job: a real child process, watched to its end."""

import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest
from django.db import connection, transaction

from jobs.execution import supervise
from jobs.leases import job_claim, jobs_reap
from jobs.models import Job
from jobs.services import job_cancel, job_create
from tests import job_kinds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    monkeypatch.setenv("JOB_KIND_MODULES", "tests.job_kinds")  # read by the child process
    settings.JOB_HEARTBEAT_SECONDS = 0.2
    settings.JOB_RETRY_SECONDS = 0


def make_job(kind, **params):
    return job_create(kind=kind, scope="flight-ops", title="A test", params=params)


def claim():
    return job_claim(queue=job_kinds.QUEUE, worker="here:1")


def run(job, *, meanwhile=None, stopping=None):
    """Claim ``job`` and supervise it to its end; ``meanwhile`` happens in another thread once the child has logged."""

    def interfere():
        try:
            while not job.log.exists():
                time.sleep(0.05)
            meanwhile()
        finally:
            connection.close()

    helper = threading.Thread(target=interfere) if meanwhile else None
    claimed = claim()
    assert claimed == job
    if helper:
        helper.start()
    supervise(claimed, stopping=stopping or threading.Event())
    if helper:
        helper.join()
    job.refresh_from_db()
    return job


def logged_processes(job):
    """Return those of the processes the handler told of that still run."""
    running = []
    told = job.log.filter(text__startswith="processes ").first()
    for pid in told.text.split()[1:] if told else ():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def test_success():
    job = run(make_job("test.effect"))

    assert (job.state, job.result, job.progress) == ("succeeded", {"answer": 42, "page": "/jobs/"}, 1)
    assert job_kinds.effects(job.pk) == 1
    assert [line.text for line in job.log.all()] == ["attempt 1"]
    assert 20 < job.attempts.get().peak_memory_mb < 500


def test_exception_is_kept_and_leaves_no_effect():
    job = run(make_job("test.raise"))

    assert job.state == "queued"
    assert job.error.endswith("ValueError: no such column: delay")
    assert 'in fail\n    raise ValueError("no such column: delay")' in job.error
    assert job_kinds.effects(job.pk) == 0

    job = run(job)

    assert job.state == "failed"
    assert [a.outcome for a in job.attempts.all()] == ["failed", "failed"]


def test_killed_child_is_tried_again():
    job = run(make_job("test.kill-me"))

    assert job.state == "queued"
    assert job.error == "The process was killed by signal 9.\nabout to be killed"

    assert run(job).state == "succeeded"


def test_timeout_ends_the_child_and_what_it_started():
    job = run(make_job("test.timeout"))

    assert job.state == "failed"
    assert job.error.startswith("It took longer than 3 s")
    assert job.attempts.get().outcome == "timed out"
    assert logged_processes(job) == []


def test_memory_is_bounded():
    job = run(make_job("test.eat"))

    assert job.state == "failed"
    assert "more than the 200 MB of its kind" in job.error
    assert job.attempts.get().outcome == "out of memory"


def test_many_threads_need_little_of_the_memory_bound():
    job = run(make_job("test.numeric"))

    assert job.state == "succeeded", job.error


def test_cancel_ends_a_running_child():
    job = make_job("test.effect", seconds=60)

    run(job, meanwhile=lambda: job_cancel(job_id=job.pk, by="eve"))

    assert job.state == "cancelled"
    assert job.attempts.get().outcome == "cancelled"
    assert job_kinds.effects(job.pk) == 0


def test_child_without_its_lease_is_ended_and_changes_nothing():
    job = make_job("test.hang")

    @transaction.atomic
    def lose():
        Job.objects.filter(pk=job.pk).update(lease_expires_at="2000-01-01T00:00Z")
        assert jobs_reap() == [job.pk]

    run(job, meanwhile=lose)

    assert (job.state, job.attempt) == ("queued", 1)
    assert job.attempts.get().outcome == "lost"
    assert logged_processes(job) == []


def test_stopping_worker_gives_the_job_back():
    stopping = threading.Event()

    job = run(make_job("test.effect", seconds=60), meanwhile=stopping.set, stopping=stopping)

    assert (job.state, job.attempts.get().outcome) == ("queued", "returned")


def test_undeclared_kind_fails_with_a_reason():
    job = make_job("test.effect")
    Job.objects.update(kind="forgotten", max_attempts=1)

    assert run(job).error.endswith("UnknownKindError: No app declares the job kind 'forgotten'.")


def test_child_dies_with_its_worker():
    job = make_job("test.hang")
    claimed = claim()
    script = (
        "import subprocess, sys, os\n"
        f"child = subprocess.Popen([sys.executable, 'manage.py', 'job_run', '{claimed.pk}', '1', f'--parent={{os.getpid()}}'])\n"
        "child.wait()"
    )
    worker = subprocess.Popen([sys.executable, "-c", script])
    while not job.log.exists():
        time.sleep(0.05)
    child, grandchild = logged_processes(job)

    worker.kill()
    worker.wait()

    child.wait(timeout=5)
    grandchild.kill()
