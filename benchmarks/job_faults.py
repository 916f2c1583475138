"""Workers that are killed, a broker that is wiped, and clocks that are wrong: no job may be lost or have its effect twice."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis
from celery import Celery
from django.conf import settings

from benchmarks.gateway_faults import until
from jobs.models import Attempt, Job, Slot
from jobs.services import job_create
from jobs.states import Outcome, State

ROOT = Path(__file__).parent.parent
QUEUE, SEATS = "tests", 4  # of tests.job_kinds
CONTROL = ["jobs.tasks.relay", "jobs.tasks.reap"]
FIRST_S = 600
MOST_ATTEMPTS = 50


@dataclass(frozen=True)
class Killed:
    """What became of jobs whose workers were killed while the broker was wiped.

    Attributes:
        lost: jobs that did not succeed.
        doubled: effects that were committed more than once.
        recovery_s: the longest from a kill until every job of the killed worker ran again or had ended (s).
    """

    jobs: int
    kills: int
    lost: int
    doubled: int
    recovery_s: float


@dataclass(frozen=True)
class WrongClocks:
    """What workers did whose clocks were an hour fast and an hour slow: leases that ran out while they were renewed."""

    jobs: int
    expired: int
    lost: int


def kill_workers(home: Path, *, jobs: int, every_s: float, lease_s: float) -> Killed:
    """Run ``jobs`` on two workers, and every ``every_s`` kill one with all it started and wipe the broker (F1, F4)."""
    home.mkdir()
    made = _make(jobs, seconds=1.0)
    recovered: list[float] = []
    with _beat():
        workers = [_worker(home, lease_s=lease_s) for _ in range(2)]
        try:
            until(_some_run, seconds=FIRST_S)
            while _unfinished(made):
                _wait(made, every_s)
                if not (held := _held_by(workers[0])):
                    workers.append(workers.pop(0))
                    continue
                began = time.monotonic()
                _kill(workers.pop(0))
                redis.from_url(settings.CELERY_BROKER_URL).flushdb()
                workers.append(_worker(home, lease_s=lease_s))
                until(partial(_let_go, held), seconds=FIRST_S)
                recovered.append(time.monotonic() - began)
        finally:
            for worker in workers:
                _kill(worker)
    lost, doubled = _outcome(made)
    return Killed(jobs, len(recovered), lost, doubled, max(recovered, default=0.0))


def wrong_clocks(home: Path, *, jobs: int) -> WrongClocks | None:
    """Run ``jobs`` that outlast their lease on workers whose clocks are wrong by an hour (F6); None without `faketime`."""
    if not shutil.which("faketime"):
        sys.stderr.write("The program faketime is not installed (Debian: faketime): no clock is set wrong.\n")
        return None
    home.mkdir()
    made = _make(jobs, seconds=8.0)
    with _beat():
        workers = [_worker(home, lease_s=4, clock=clock) for clock in ("+1h", "-1h")]
        try:
            until(lambda: not _unfinished(made), seconds=FIRST_S)
        finally:
            for worker in workers:
                _kill(worker)
    expired = Attempt.objects.filter(job__in=made, outcome=Outcome.LOST).count()
    return WrongClocks(jobs, expired, _outcome(made)[0])


def _make(count: int, *, seconds: float) -> list[int]:
    """Queue jobs that work for about ``seconds`` and then leave one row.

    Attempts are bounded so that a job that kills its worker comes to an end. Here the job is not to blame, and may be met often.
    """
    made = [
        job_create(kind="test.effect", scope="faults", title=f"Job {n}", params={"seconds": seconds}).pk
        for n in range(count)
    ]
    Job.objects.filter(pk__in=made).update(max_attempts=MOST_ATTEMPTS)
    return made


def _worker(home: Path, *, lease_s: float, clock: str = "") -> "subprocess.Popen[bytes]":
    command = [
        sys.executable, "-m", "celery", "--quiet", "-A", "controlplane", "worker", "--pool", "threads", "--concurrency", str(SEATS + 2),
        "--queues", f"control,{QUEUE}", "--without-gossip", "--without-mingle", "--loglevel", "ERROR",
    ]  # fmt: skip
    bounds = {
        "JOB_LEASE_SECONDS": str(round(lease_s)), "JOB_HEARTBEAT_SECONDS": str(lease_s / 6), "JOB_RETRY_SECONDS": "0",
        "JOB_SEATS": f"{QUEUE}={SEATS}",
    }  # fmt: skip
    with (home / "worker.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            [*(["faketime", "-f", clock] if clock else []), *command], cwd=ROOT, env=os.environ | bounds, stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip


def _kill(worker: "subprocess.Popen[bytes]") -> None:
    os.killpg(worker.pid, signal.SIGKILL)  # faketime's own process, where there is one, and the worker
    worker.wait()


@contextmanager
def _beat() -> Iterator[None]:
    """Send the periodic tasks that jobs need each second, whatever becomes of the broker."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(1.0):
            with Celery(broker=settings.CELERY_BROKER_URL, set_as_current=False) as app:
                for task in CONTROL:
                    app.send_task(task, queue="control", expires=5)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _held_by(worker: "subprocess.Popen[bytes]") -> list[tuple[int, int]]:
    held = Job.objects.filter(state=State.RUNNING, worker__endswith=f":{worker.pid}")
    return list(held.values_list("pk", "attempt"))


def _let_go(held: list[tuple[int, int]]) -> bool:
    """Tell whether each job has ended, or is in the hands of another attempt than the one that was killed."""
    now = {job.pk: (job.state, job.attempt) for job in Job.objects.filter(pk__in=[pk for pk, _ in held])}
    return all(State(now[pk][0]).is_final or now[pk][1] > attempt for pk, attempt in held)


def _some_run() -> bool:
    return Job.objects.filter(state=State.RUNNING, log__isnull=False).exists()


def _unfinished(made: list[int]) -> int:
    return Job.objects.unfinished().filter(pk__in=made).count()


def _wait(made: list[int], seconds: float) -> None:
    """Wait so long, or until every job has ended."""
    ends = time.monotonic() + seconds
    until(lambda: time.monotonic() > ends or not _unfinished(made), seconds=seconds + 60)


def _outcome(made: list[int]) -> tuple[int, int]:
    """Return how many jobs have not succeeded, and how many effects there are beyond one a job."""
    succeeded = Job.objects.filter(pk__in=made, state=State.SUCCEEDED).count()
    effects = Slot.objects.filter(schedule__in=[f"effect of {pk}" for pk in made]).count()
    return len(made) - succeeded, max(0, effects - succeeded)
