"""Searches in the database: what begins when, what a lost worker leaves, who may ask, and that nothing is told twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from experiments.models import Search, SearchState, SearchTrial, TrialState
from experiments.searching.told import Judgement
from experiments.services import (
    search_cancel,
    search_create,
    search_register,
    search_step,
    trial_begin,
    trial_report,
)
from experiments.services.trials import told_of
from jobs.leases import JobCancelledError, LeaseLostError, job_claim, job_fail, jobs_reap
from jobs.models import Job
from jobs.services import job_cancel, job_retry
from jobs.states import State
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.api import Api, problem
from tests.factories import make_actor, make_team
from tests.searches import begin_trial, choose, end_trial, make_search, make_search_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(settings, tmp_path):
    settings.DATA_ROOT = tmp_path / "datasets"
    settings.JOB_RETRY_SECONDS = 0
    return make_search_world()


def states(search):
    return list(search.trials.values_list("state", flat=True))


def test_as_many_trials_wait_as_may_run_and_each_that_ends_makes_room_for_the_next(world):
    search = make_search(world, size=3)
    assert states(search) == ["waiting", "waiting"]

    first, second = begin_trial(), begin_trial()
    search_step(search_id=search.pk)
    assert states(search) == ["running", "running"]
    end_trial(*first, 0.7)
    assert states(search) == ["complete", "running", "waiting"]
    end_trial(*second, None, TrialState.PRUNED)
    end_trial(*begin_trial(), 0.6)

    search.refresh_from_db()
    assert states(search) == ["complete", "pruned", "complete"]
    assert (search.state, search.ended_because, search.closing.kind) == (
        SearchState.FINISHED,
        "All trials are made.",
        "search_close",
    )
    assert search.importances == {"x": 1.0}
    search_step(search_id=search.pk)
    assert search.trials.count() == 3
    assert [(e.action, e.payload.get("best")) for e in AuditEvent.objects.filter(action__startswith="search").order_by("seq")] == [
        ("search.create", None), ("search.finish", 0),
    ]  # fmt: skip


def test_a_trial_whose_worker_died_is_tried_again_with_the_same_parameters_and_the_dead_one_tells_nothing(world):
    search = make_search(world, parallel=1)
    job, dead = begin_trial()
    trial_report(trial=dead, step=2, value=0.5, judge=lambda *_: Judgement(False, {"rung": 0.5}))
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(hours=1))
    assert jobs_reap() == [job.pk]
    search_step(search_id=search.pk)
    assert states(search) == ["waiting"]
    assert told_of(search) == []

    again = job_claim(queue="training", worker="another")
    alive = trial_begin(job_id=again.pk, attempt=again.attempt, ask=lambda *_: pytest.fail("it has parameters"))

    assert again.pk == job.pk
    assert (alive.params, alive.curve, alive.rungs) == (dead.params, [], {})
    with pytest.raises(LeaseLostError):
        trial_report(trial=dead, step=4, value=0.9, judge=lambda *_: pytest.fail("judged"))
    with pytest.raises(LeaseLostError):
        end_trial(job, dead, 0.9)
    assert end_trial(again, alive, 0.8).value == 0.8


def test_a_trial_that_no_attempt_is_left_for_is_failed_and_counts(world):
    search = make_search(world, size=2, parallel=1)
    for _ in range(2):
        job, _trial = begin_trial()
        job_fail(job_id=job.pk, attempt=job.attempt, error="boom")

    search_step(search_id=search.pk)

    assert states(search) == ["failed", "waiting"]
    end_trial(*begin_trial(), 0.7)
    search.refresh_from_db()
    assert search.state == SearchState.FINISHED


def test_a_search_all_of_whose_first_trials_fail_gives_up(world):
    search = make_search(world, size=50, parallel=1)
    for _ in range(10):
        job, _trial = begin_trial()
        job_fail(job_id=job.pk, attempt=job.attempt, error="boom")
        search_step(search_id=search.pk)

    search.refresh_from_db()
    assert states(search) == ["failed"] * 5
    assert (search.state, search.ended_because) == (
        SearchState.FAILED,
        "The first 5 trials failed; the job of each says why.",
    )


def test_a_search_whose_beginning_fails_has_failed(world):
    search = make_search(world, opened=False)
    job_cancel(job_id=search.opening_id, by="ann")

    search_step(search_id=search.pk)

    search.refresh_from_db()
    assert search.state == SearchState.FAILED
    assert search.closing is None


def test_a_cancelled_trial_is_cancelled_and_may_be_retried_while_the_search_runs(world):
    search = make_search(world, parallel=1)
    job, _ = begin_trial()
    job_cancel(job_id=job.pk, by="ann")
    job_fail(job_id=job.pk, attempt=job.attempt, error="")
    search_step(search_id=search.pk)
    assert states(search) == ["cancelled", "waiting"]

    job_retry(job_id=job.pk, by="ann")
    _, trial = begin_trial()

    assert (trial.number, trial.state) == (0, "running")


def test_cancelling_stops_every_trial_and_keeps_what_is_known(world):
    engineer, *_ = world
    search = make_search(world)
    end_trial(*begin_trial(), 0.7)
    job, trial = begin_trial()

    search_cancel(actor=engineer, search_id=search.pk)

    search.refresh_from_db()
    assert states(search) == ["complete", "cancelled", "cancelled"]
    assert (search.state, search.closing.kind) == (SearchState.CANCELLED, "search_close")
    assert list(Job.objects.filter(search_trial__search=search).values_list("state", flat=True).order_by("pk")) == [
        "succeeded", "running", "cancelled",
    ]  # fmt: skip
    job.refresh_from_db()
    assert job.cancel_requested_at
    with pytest.raises(JobCancelledError):
        end_trial(job, trial, 0.99)
    with pytest.raises(ConflictError, match="has ended"):
        search_cancel(actor=engineer, search_id=search.pk)


def test_after_the_time_limit_no_trial_begins_and_those_that_run_end(world):
    search = make_search(world, time_limit_s=3600, parallel=3)
    running = begin_trial()
    Search.objects.filter(pk=search.pk).update(created_at=timezone.now() - timedelta(hours=2))
    claimed = job_claim(queue="training", worker="test")
    assert trial_begin(job_id=claimed.pk, attempt=claimed.attempt, ask=choose) is None

    search_step(search_id=search.pk)
    end_trial(*running, 0.7)

    search.refresh_from_db()
    assert states(search) == ["complete", "cancelled", "cancelled"]
    assert (search.state, search.ended_because) == (SearchState.FINISHED, "The time limit is reached.")


def test_the_best_trial_is_trained_once_and_the_direction_says_which_it_is(world):
    engineer, *_ = world
    search = make_search(world, metric="brier_score", size=2)
    with pytest.raises(ConflictError, match="No trial is complete"):
        search_register(actor=engineer, search_id=search.pk)
    first, second = begin_trial(), begin_trial()
    end_trial(*first, 0.2)
    end_trial(*second, 0.1)

    job = search_register(actor=engineer, search_id=search.pk)

    best = SearchTrial.objects.get(search=search, number=1)
    assert best.training == job
    assert (job.params["trial_id"], job.params["params"]["learning_rate"], job.params["params"]["trees"]) == (
        best.pk,
        0.02,
        20,
    )
    with pytest.raises(ConflictError, match=f"see job {job.pk}"):
        search_register(actor=engineer, search_id=search.pk, number=1)
    with pytest.raises(InvalidError, match="no trial 9"):
        search_register(actor=engineer, search_id=search.pk, number=9)
    Job.objects.filter(pk=job.pk).update(state=State.FAILED)
    assert search_register(actor=engineer, search_id=search.pk).pk != job.pk


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"size": 0}, "trials"), ({"size": 501}, "trials"), ({"parallel": 17}, "parallel"), ({"folds": 1}, "folds"),
        ({"seed": -1}, "seed"), ({"time_limit_s": 5}, "time_limit_minutes"), ({"metric": "mase"}, "metric"),
        ({"pruner": "x"}, "pruner"), ({"sampler": "x"}, "sampler"), ({"pipeline": "lambdamart"}, "pipeline"),
        ({"params": {"leaves": 1}}, "params/leaves"), ({"space": {}}, "space"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name_and_makes_nothing(world, asked, field):
    with pytest.raises(InvalidError) as refused:
        make_search(world, opened=False, **asked)

    assert refused.value.field == field
    assert not Search.objects.exists()
    assert not Job.objects.exists()


def test_only_engineers_of_the_team_search(world):
    _, model, data = world
    viewer = make_actor(model.team, Role.VIEWER)
    search = make_search(world)

    for act in (
        lambda: search_create(actor=viewer, model=model, pipeline="lightgbm", dataset_version=data),
        lambda: search_cancel(actor=viewer, search_id=search.pk),
        lambda: search_register(actor=viewer, search_id=search.pk),
    ):
        with pytest.raises(RoleError):
            act()
    assert Search.objects.get().state == SearchState.RUNNING


def test_a_search_by_the_api(world):
    _, model, data = world
    api = Api(model.team)
    body = {
        "model": model.name, "dataset": data.dataset.name, "dataset_version": 1, "pipeline": "lightgbm", "trials": 5,
        "space": {"leaves": {"low": 4, "high": 31, "log": True}}, "params": {"trees": 20}, "time_limit_minutes": 90,
    }  # fmt: skip

    made = api.post("searches", body)

    assert made.status_code == 201, made.json()
    search = Search.objects.get()
    assert (search.size, search.time_limit_s, search.space) == (
        5,
        5400,
        {"leaves": {"low": 4, "high": 31, "log": True}},
    )
    assert search.params["trees"] == 20
    assert "leaves" not in search.params
    assert made.json()["metric"] == "average_precision"
    refused = problem(api.post("searches", body | {"space": {"leaves": {"low": 9, "high": 4}}}), 400)
    assert refused["errors"][0]["pointer"] == "/space/leaves"
    assert [one["id"] for one in api.get("searches", model=model.name).json()["results"]] == [search.pk]
    job = job_claim(queue="training", worker="test")
    Search.objects.update(run_id="r", opening=job)
    search_step(search_id=search.pk)
    end_trial(*begin_trial(), 0.7)
    found = api.get(f"searches/{search.pk}").json()
    assert (found["best"]["number"], found["best"]["value"], found["counts"]) == (0, 0.7, {"complete": 1, "waiting": 2})
    assert [one["state"] for one in api.get(f"searches/{search.pk}/trials").json()["results"]] == [
        "complete",
        "waiting",
        "waiting",
    ]
    assert api.post(f"searches/{search.pk}/register", {}).status_code == 202
    assert api.post(f"searches/{search.pk}/cancel", {}).json()["state"] == "cancelled"
    stranger = Api(make_team("strangers"))
    for path in (f"searches/{search.pk}", f"searches/{search.pk}/trials"):
        problem(stranger.get(path), 404)
