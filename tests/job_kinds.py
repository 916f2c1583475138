"""Job kinds for tests alone; loaded where JOB_KIND_MODULES names this module."""

import os
import subprocess
import sys
import time

from django.utils import timezone

from jobs.kinds import JobContext, job_kind
from jobs.models import Slot

QUEUE = "tests"


def effects(job_id):
    """Return how often the effect of a job was committed; more than once would be a fault."""
    return Slot.objects.filter(schedule=f"effect of {job_id}").count()


@job_kind("test.effect", queue=QUEUE, timeout_s=30, memory_mb=500, max_attempts=5)
def effect(ctx: JobContext) -> None:
    """Work for a while, then leave one row."""
    ctx.log(f"attempt {ctx.attempt}")
    steps = 10
    for step in range(steps):
        ctx.progress(step / steps, f"step {step}")
        time.sleep(ctx.params.get("seconds", 0) / steps)
    with ctx.finish({"answer": 42, "page": "/jobs/"}):
        Slot.objects.create(schedule=f"effect of {ctx.job_id}", slot=timezone.now())


@job_kind("test.raise", queue=QUEUE, timeout_s=30, memory_mb=500, max_attempts=2)
def fail(ctx: JobContext) -> None:
    """Fail, with an effect that must not stay."""
    with ctx.finish({}):
        Slot.objects.create(schedule=f"effect of {ctx.job_id}", slot=timezone.now())
        raise ValueError("no such column: delay")


@job_kind("test.timeout", queue=QUEUE, timeout_s=3, memory_mb=500, max_attempts=1)
@job_kind("test.hang", queue=QUEUE, timeout_s=600, memory_mb=500, max_attempts=2)
def hang(ctx: JobContext) -> None:
    """Start a child of its own, tell who they are, and never end."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    ctx.log(f"processes {os.getpid()} {grandchild.pid}")
    time.sleep(600)


@job_kind("test.eat", queue=QUEUE, timeout_s=30, memory_mb=200, max_attempts=1)
def eat(ctx: JobContext) -> None:
    """Hold more memory than the kind allows."""
    held = bytearray(400_000_000)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(600)


@job_kind("test.numeric", queue=QUEUE, timeout_s=60, memory_mb=1000, max_attempts=1)
def numeric(ctx: JobContext) -> None:
    """Train with threads: many reserved addresses, little memory."""
    import lightgbm
    import numpy

    rng = numpy.random.default_rng(0)
    data = lightgbm.Dataset(rng.random((5000, 20)), label=rng.integers(0, 2, 5000))
    lightgbm.train({"objective": "binary", "num_threads": 8, "verbose": -1}, data, num_boost_round=20)


@job_kind("test.kill-me", queue=QUEUE, timeout_s=30, memory_mb=500, max_attempts=2)
def kill_me(ctx: JobContext) -> None:
    """Be killed from outside in the first attempt, succeed in the second."""
    if ctx.attempt == 1:
        print("about to be killed", flush=True)  # noqa: T201  what a dying library leaves behind
        os.kill(os.getpid(), 9)
