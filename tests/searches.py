"""Small data with all three splits, searches on them, and trials as a worker would end them."""

import numpy as np
import pandas as pd
from django.conf import settings
from django.utils import timezone

from experiments.builders.catalogue import Builder, describe
from experiments.models import SearchTrial, TrialState
from experiments.rows.frames import save_frame
from experiments.services import (
    dataset_create,
    dataset_version_add,
    search_create,
    search_opened,
    trial_begin,
    trial_end,
)
from jobs.kinds import JobContext
from jobs.leases import job_claim
from jobs.models import Job
from tests.factories import make_actor, make_model, make_team

ROWS = 600  # of which 300 are learned from, 150 validate and 150 are held out


def make_rows():
    """Rows of one hour each; whether late depends on ``a``, and ``b`` is noise."""
    random = np.random.default_rng(7)
    a = random.normal(size=ROWS)
    return pd.DataFrame({
        "a": a, "b": random.normal(size=ROWS), "late": (a + random.normal(size=ROWS) > 0).astype("int64"),
        "at": pd.date_range("2026-01-01", periods=ROWS, freq="h", tz="UTC").astype("datetime64[us, UTC]"),
        "name": [f"row-{n}" for n in range(ROWS)],
    })  # fmt: skip


def make_search_world(name="search"):
    """A team with an engineer, a model for yes or no, and rows for it."""
    team = make_team(name)
    engineer = make_actor(team)
    frame = make_rows()
    one, two = (f"{frame['at'][n].isoformat()}" for n in (300, 450))
    builder = Builder(
        name="small", title="", params=object, build=lambda _: frame, features=dict.fromkeys("ab", "for tests"), target="late",
        target_meaning="", time_column="at", key="name", source="made up",
        splits={"train": ("2026-01-01", one), "validation": (one, two), "held_out": (two, "2027-01-01")},
    )  # fmt: skip
    description = describe(builder, frame, save_frame(frame, settings.DATA_ROOT), now=timezone.now())
    dataset = dataset_create(actor=engineer, team=team, name=name)
    data = dataset_version_add(actor=engineer, dataset=dataset, description=description)
    return engineer, make_model(team, actor=engineer, name=name), data


def make_search(world, *, opened=True, **changes):
    """A search of two trials at once; ``opened``: its run in MLflow is there, so that trials wait."""
    engineer, model, data = world
    given = {"pipeline": "lightgbm", "size": 6, "parallel": 2, "params": {"trees": 20}}
    search = search_create(actor=engineer, model=model, dataset_version=data, **given | changes)
    if opened:
        job = job_claim(queue="training", worker="test")
        with JobContext.of(job).finish({}):
            search_opened(search_id=search.pk, run_id="p" * 32, experiment_id="1")
    search.refresh_from_db()
    return search


def choose(plan, told, number):
    """Stand in for the sampler."""
    return {"learning_rate": 0.01 * (number + 1)}


def begin_trial():
    """Claim the next trial, as a worker does, and begin it."""
    job = job_claim(queue="training", worker="test")
    return job, trial_begin(job_id=job.pk, attempt=job.attempt, ask=choose)


def end_trial(job, trial, value, state=TrialState.COMPLETE) -> SearchTrial:
    """End a trial as its handler does."""
    with JobContext.of(job).finish({}):
        trial_end(
            trial=trial,
            state=state,
            value=value,
            metrics={},
            run_id=f"{trial.number:032x}",
            weigh=lambda plan, told: {"x": 1.0},
        )
    trial.refresh_from_db()
    return trial


def fill_search(search, count=60):
    """Give a search trials that have ended, as a long run leaves them, and the importances."""
    random = np.random.default_rng(7)
    trials = []
    for number in range(count):
        rate, leaves = float(10 ** random.uniform(-2, -0.5)), int(random.integers(4, 128))
        value = 0.43 - 0.05 * (np.log10(rate) + 1.3) ** 2 - leaves / 8000 + float(random.normal(scale=0.002))
        state = "pruned" if number > 5 and value < 0.415 else "failed" if number == 17 else "complete"
        job = Job.objects.create(
            kind="search_trial", queue="training", scope=search.model.team.slug, title=f"Trial {number}", subject=search.path,
            state="failed" if state == "failed" else "succeeded",
        )  # fmt: skip
        trials.append(SearchTrial(
            search=search, number=number, job=job, attempt=1, state=state, value=value if state == "complete" else None,
            params={"learning_rate": rate, "leaves": leaves, "rows_per_leaf": int(random.integers(20, 900)), "penalty": float(10 ** random.uniform(-1, 2))},
            curve=[[20, value - 0.02], [40, value - 0.01]], started_at=timezone.now(), ended_at=timezone.now(),
        ))  # fmt: skip
    SearchTrial.objects.bulk_create(trials)
    search.importances = {"learning_rate": 0.61, "leaves": 0.24, "penalty": 0.1, "rows_per_leaf": 0.05}
    search.save()
