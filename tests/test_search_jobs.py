"""A whole search through real jobs and a real MLflow process, up to the registered winner; held-out rows stay unseen."""

import mlflow
import pytest
from django.test import Client

from experiments.models import SearchState, TrainingRun
from experiments.pipelines import boosted
from experiments.services import search_create
from jobs.models import Job
from jobs.services import job_cancel
from jobs.states import State
from tests.factories import make_token, run_jobs
from tests.searches import make_rows, make_search_world

pytest_plugins = ["tests.mlflow_server"]


@pytest.fixture
def seen(monkeypatch):
    """The names of the rows that a pipeline was given: (learned from, measured on), a pair for each training."""
    found, train = [], boosted.train

    def spied(rows, params, report):
        found.append((set(rows.train_context["name"]), set(rows.validation_context["name"])))
        return train(rows, params, report)

    monkeypatch.setattr(boosted, "train", spied)
    return found


def test_a_search_finds_stops_and_registers(mlflow_server, settings, monkeypatch, seen):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    settings.MLFLOW_URL = mlflow_server.url
    settings.DATA_ROOT = mlflow_server.artifacts.parent / "datasets"
    engineer, model, data = make_search_world("searched")
    names = make_rows()["name"]
    learned, validating, held_out = set(names[:300]), set(names[300:450]), set(names[450:])
    space = {
        "learning_rate": {"low": 0.001, "high": 0.3, "log": True},
        "rows_per_leaf": {"low": 5, "high": 140, "log": True},
        "leaves": {"low": 2, "high": 15},
    }
    search = search_create(
        actor=engineer, model=model, pipeline="lightgbm", dataset_version=data, space=space, params={"trees": 20, "patience": 20},
        size=12, register_best=True,
    )  # fmt: skip

    jobs = run_jobs("training", at_most=30)

    # Every trial ended, some of them early; the importances are told; the winner is a version that says where it is from.
    search.refresh_from_db()
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert [job.kind for job in jobs] == ["search_open", *["search_trial"] * 12, "search_close", "train"]
    assert search.state == SearchState.FINISHED
    trials = list(search.trials.all())
    assert {trial.state for trial in trials} == {"complete", "pruned"}
    assert all(trial.curve[-1][0] < 20 for trial in trials if trial.state == "pruned")
    assert len({trial.params["learning_rate"] for trial in trials}) == 12
    best = max((trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.value)
    run = TrainingRun.objects.get(version__model=model)
    assert run.trial == best
    assert run.params == best.all_params
    assert run.metrics["validation_average_precision"] == best.value  # the same rows, parameters and seed

    # In MLflow each trial stands under the search's run.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
        _, secret = make_token(model.team)
        patch.setenv("MLFLOW_TRACKING_TOKEN", secret)
        client = mlflow.MlflowClient()
        parent = client.get_run(search.run_id)
        children = client.search_runs([search.experiment_id], f"tags.`mlflow.parentRunId` = '{search.run_id}'")
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["best_average_precision"] == best.value
    assert {run.info.run_id for run in children} == {trial.run_id for trial in trials}
    assert {run.data.tags["trial.state"] for run in children} == {"complete", "pruned"}

    # No trial saw what is held out; with folds not even the validation rows.
    assert all(learn == learned and measure == validating for learn, measure in seen)
    seen.clear()
    folded = search_create(
        actor=engineer,
        model=model,
        pipeline="lightgbm",
        dataset_version=data,
        space=space,
        params={"trees": 20},
        size=1,
        folds=3,
    )
    run_jobs("training")
    folded.refresh_from_db()
    assert folded.state == SearchState.FINISHED, folded.ended_because
    assert len(seen) == 3
    assert all((learn | measure) <= learned and not learn & measure for learn, measure in seen)
    assert len(folded.trials.get().curve) == 3
    assert not any((learn | measure) & held_out for learn, measure in seen)

    # The evaluation that was queued is nobody's: the database is shared with tests to come.
    for waiting in Job.objects.filter(scope=model.team.slug, state=State.QUEUED):
        job_cancel(job_id=waiting.pk, by="the test")

    # The pages tell it.
    browser = Client()
    browser.force_login(engineer.user)
    page = browser.get(search.path).content.decode()
    assert f'registered as <a href="{run.version.path}">v{run.version.number}</a>' in page
    assert "Parallel coordinates" in page
    assert f"search {search.pk}" in browser.get(f"{run.version.path}training-panel/").content.decode()
