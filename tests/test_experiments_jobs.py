"""From data to evidence through real jobs, a real MLflow process and real flights, thinned out."""

from dataclasses import replace

import mlflow
import numpy as np
import pytest
from django.utils import timezone

from experiments.builders.catalogue import BUILDERS, describe
from experiments.builders.flights import FlightsParams
from experiments.models import Evaluation, TrainingRun
from experiments.rows.frames import save_frame
from experiments.scoring.predicting import ScoringError, predict
from experiments.selectors import dataset_rows
from experiments.services import (
    dataset_build_start,
    dataset_create,
    dataset_version_add,
    evaluation_start,
    training_register,
    training_start,
)
from experiments.services.training import TrainingResult
from experiments.training.params import parse
from jobs.leases import LeaseLostError
from jobs.models import Job
from jobs.states import State
from registry.errors import ConflictError, InvalidError
from registry.models import ApiToken, ArtifactState, AuditEvent, Evidence, ModelVersion, ReferenceProfile
from tests.factories import approve, make_actor, make_model, make_promotion, make_team, make_token, run_jobs

pytest_plugins = ["tests.mlflow_server"]

QUICK = {"trees": 60, "patience": 20, "rows_per_leaf": 20}


@pytest.fixture(scope="module")
def rows():
    """One flight in forty, with features that rest on all flights."""
    return BUILDERS["flights"].build(FlightsParams(keep_one_in=40))


@pytest.fixture
def world(mlflow_server, settings, rows, request, monkeypatch):
    """A team with an engineer, a model and a data set version."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a fault shows at once
    settings.MLFLOW_URL = mlflow_server.url
    settings.DATA_ROOT = mlflow_server.artifacts.parent / "datasets"
    name = request.node.name.removeprefix("test_").replace("_", "-")[:50]
    team = make_team(name)
    engineer = make_actor(team)
    description = describe(BUILDERS["flights"], rows, save_frame(rows, settings.DATA_ROOT), now=timezone.now())
    data = dataset_version_add(
        actor=engineer, dataset=dataset_create(actor=engineer, team=team, name=name), description=description
    )
    return engineer, make_model(team, actor=engineer, name=name), data


def trained(world, pipeline, **params):
    engineer, model, data = world
    training_start(actor=engineer, model=model, pipeline=pipeline, dataset_version=data, params=params)
    (job,) = run_jobs("training")
    assert job.state == State.SUCCEEDED
    return job, ModelVersion.objects.get(job=job)


FAMILIES = [
    ("rankings", {"keep_one_in": 40}, "ranking", "lambdamart", QUICK, "ndcg_at_10"),
    ("tourism", {"keep_one_in": 7}, "forecasting", "lightgbm-recursive", {"trees": 30, "smoothed_series": 0}, "mase"),
    ("shuttle", {"keep_one_in": 20}, "anomaly", "isolation-forest", {"trees": 50}, "average_precision"),
]  # fmt: skip


@pytest.mark.parametrize(("builder", "chosen", "task", "pipeline", "params", "metric"), FAMILIES)
def test_each_family_goes_from_data_to_evidence(
    mlflow_server, settings, builder, chosen, task, pipeline, params, metric
):
    settings.MLFLOW_URL = mlflow_server.url
    settings.DATA_ROOT = mlflow_server.artifacts.parent / "datasets"
    team = make_team(f"family-{builder}")
    engineer = make_actor(team)
    declared = BUILDERS[builder]
    rows = declared.build(parse(declared.params, chosen))
    data = dataset_version_add(
        actor=engineer, dataset=dataset_create(actor=engineer, team=team, name=builder),
        description=describe(declared, rows, save_frame(rows, settings.DATA_ROOT), now=timezone.now()),
    )  # fmt: skip
    model = make_model(team, actor=engineer, name=f"m-{builder}", task=task)
    other = next(name for name in ("lightgbm", "lambdamart") if name != pipeline)
    with pytest.raises(InvalidError, match=f"trains no model of the task {task}; choose one of .*{pipeline}"):
        training_start(actor=engineer, model=model, pipeline=other, dataset_version=data)

    _, version = trained((engineer, model, data), pipeline, **params)
    (measured,) = run_jobs("evaluation")

    assert (version.artifact_state, version.refusal) == (ArtifactState.VERIFIED, "")
    assert measured.state == State.SUCCEEDED, measured.error
    found = Evidence.objects.filter(version=version, metric=metric, data_slice="").first()
    assert found.ci_low <= found.value <= found.ci_high
    run = TrainingRun.objects.get(version=version)
    assert any(name.startswith("validation_") for name in run.metrics)
    assert run.importance


def test_xgboost_is_tried_fold_by_fold_calibrated_and_measured_as_it_is_served(
    world, mlflow_server, monkeypatch, client
):
    engineer, model, data = world
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", make_token(model.team)[1])

    _, version = trained(
        world,
        "xgboost",
        trees=60,
        leaf_weight=2.0,
        positive_weight=5.0,
        calibration="sigmoid",
        folds=2,
        fold_gap_hours=24.0,
    )
    (measured,) = run_jobs("evaluation")

    assert (version.artifact_state, version.format, version.refusal) == (ArtifactState.VERIFIED, "xgboost", "")
    assert measured.state == State.SUCCEEDED, measured.error
    run = TrainingRun.objects.get(version=version)
    tried, calibration = run.detail["cross_validation"], run.detail["calibration"]
    assert [fold["metrics"]["average_precision"] > 0.1 for fold in tried["folds"]] == [True, True]
    assert tried["folds"][0]["last"] < tried["folds"][1]["first"]
    assert set(calibration["reliability"]) == {
        "before",
        "after",
    }  # too few rows here to promise that it helps: test_calibrating does
    logged = mlflow.MlflowClient().get_run(run.run_id).data.metrics
    assert logged["cv_average_precision_mean"] == pytest.approx(tried["mean"])
    assert logged["calibration_error_after"] == pytest.approx(calibration["metrics"]["calibration_error_after"])
    held_out = dataset_rows(data, "held_out")
    stock = mlflow.pyfunc.load_model(f"models:/{model.name}/{version.number}").predict(held_out[data.features()])
    np.testing.assert_allclose(predict(version, held_out), stock[:, 1], atol=1e-7)
    client.force_login(engineer.user)
    page = client.get(f"{version.path}training-panel/").content.decode()
    assert "Fold by fold" in page
    assert "each fold learns from all rows until 24 hours before those that it is measured on." in page
    assert "What calibrating changed" in page


def test_a_job_builds_the_next_version_of_a_data_set(world, rows, monkeypatch):
    engineer, _, data = world
    builder = replace(BUILDERS["flights"], build=lambda params: rows.iloc[:: params.keep_one_in])
    monkeypatch.setitem(BUILDERS, "flights", builder)

    for share in (2, 2, 1):
        dataset_build_start(actor=engineer, dataset=data.dataset, builder="flights", params={"keep_one_in": share})
    half, again, whole = run_jobs("training")

    assert half.result["version"] == again.result["version"] == f"{data.dataset.path}versions/2/"
    assert whole.result["version"] == data.path
    assert [(v.number, v.rows, v.job) for v in data.dataset.versions.all()] == [(2, 4092, half), (1, 8184, None)]
    assert data.dataset.versions.get(number=2).parent == data


def test_data_become_evidence(world, mlflow_server, monkeypatch):
    engineer, model, data = world

    job, first = trained(world, "baseline")
    (measured,) = run_jobs("evaluation")
    champion = approve(make_promotion(model, version=first)).version
    _, second = trained(world, "lightgbm", **QUICK)
    run_jobs("evaluation")

    # The data set version says what it holds.
    assert data.rows == 8184
    assert all(check["passed"] for check in data.checks)
    assert data.splits["train"]["rows"] + data.splits["validation"]["rows"] + data.splits["replay"]["rows"] == data.rows

    # The versions are verified, of the formats that a gateway loads, and know where they come from.
    for version, kind in ((first, "skops"), (second, "lightgbm")):
        assert (version.artifact_state, version.format, version.refusal) == (ArtifactState.VERIFIED, kind, "")
        assert version.data_digest == data.digest
        assert engineer.user in version.contributors.all()
        assert [c["name"] for c in version.signature["inputs"]] == data.features()
        gaps = [name for name in data.features() if data.profile[name]["nulls"]]
        assert [c["name"] for c in version.signature["inputs"] if not c["required"]] == gaps != []
    assert TrainingRun.objects.get(version=first).dataset_version == data
    assert "JFK" in next(c for c in second.signature["inputs"] if c["name"] == "origin")["categories"]

    # Everything that the suite names was measured once; the second version also against the champion.
    assert measured.result == {"version": first.path, "measurements": 12}
    whole = Evidence.objects.filter(version=second, data_slice="", against=None)
    assert set(whole.values_list("metric", flat=True)) == {
        "average_precision", "roc_auc", "recall_at_5pct_alerts", "precision_at_5pct_alerts", "brier_score",
        "calibration_error", "recall_at_1pct_false_positives", "recall_at_90pct_precision", "alert_rate",
    }  # fmt: skip
    assert whole.get(metric="recall_at_1pct_false_positives").detail["chosen_on"] == "validation rows"
    assert sorted(
        Evidence.objects.filter(version=second).exclude(data_slice="").values_list("data_slice", flat=True)
    ) == ["origin=EWR", "origin=JFK", "origin=LGA"]
    compared = Evidence.objects.filter(version=second, against=champion)
    assert set(compared.values_list("metric", flat=True)) == {"average_precision", "roc_auc", "brier_score"}
    against = compared.get(metric="average_precision")
    alone = whole.get(metric="average_precision")
    assert against.value == pytest.approx(alone.value - against.detail["champion_value"])
    for found in Evidence.objects.filter(version__in=[first, second], data_digest=data.digest):
        assert sorted([found.ci_low, found.value, found.ci_high]) == [found.ci_low, found.value, found.ci_high]

    # What its inputs looked like at training is kept, in bins that later inputs are counted in.
    reference = ReferenceProfile.objects.get(version=second)
    assert (reference.source, reference.data_digest) == ("training", data.digest)
    assert (reference.rows, set(reference.columns)) == (data.splits["train"]["rows"], set(data.features()))
    for column in reference.columns.values():
        assert sum(column["counts"].values()) + column.get("other", 0) + column["missing"] == reference.rows

    # The run holds parameters, learning curve, metrics and curves.
    client = mlflow.MlflowClient(mlflow_server.url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", make_token(model.team)[1])
    run = client.get_run(second.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["data_digest"] == data.digest
    assert run.data.params["seed"] == "7"
    assert len(client.get_metric_history(second.run_id, "validation_binary_logloss")) >= 20
    assert {f.path for f in client.list_artifacts(second.run_id, "curves")} == {
        "curves/precision_recall.json", "curves/reliability.json", "curves/roc.json",
    }  # fmt: skip

    # Any MLflow client loads it, with categories as plain text, and gets what the gateway's form gives.
    held_out = dataset_rows(data, "held_out")
    for address, version in ((f"models:/{model.name}@champion", first), (f"models:/{model.name}/2", second)):
        loaded = mlflow.pyfunc.load_model(address)
        example = mlflow.models.Model.load(address).load_input_example()
        assert loaded.predict(example).shape == (5, 2)
        answers = loaded.predict(held_out[data.features()])[:, 1]
        np.testing.assert_allclose(answers, predict(version, held_out), atol=1e-12)

    # The token that the job was given is gone, and every step is on record.
    assert not ApiToken.objects.filter(name=f"job {job.pk}", revoked_at=None).exists()
    actions = set(AuditEvent.objects.filter(team=model.team.slug).values_list("action", flat=True))
    assert {"dataset.version", "training.start", "training.finish", "evaluation.start", "evidence.record"} <= actions


def test_a_version_is_measured_once_on_the_same_rows(world):
    engineer, model, data = world
    _, version = trained(world, "baseline")

    with pytest.raises(ConflictError, match="queued"):
        evaluation_start(actor=engineer, version=version, dataset_version=data)
    run_jobs("evaluation")
    with pytest.raises(ConflictError, match="succeeded"):
        evaluation_start(actor=engineer, version=version, dataset_version=data)

    assert Evaluation.objects.filter(version=version).count() == 1
    assert Job.objects.filter(scope=model.team.slug, kind="evaluate").count() == 1


def test_a_failed_measuring_may_be_asked_for_again(world):
    engineer, _, data = world
    _, version = trained(world, "baseline")
    first = Job.objects.get(kind="evaluate", subject=version.path)
    Job.objects.filter(pk=first.pk).update(state=State.FAILED)

    again = evaluation_start(actor=engineer, version=version, dataset_version=data)

    assert again != first
    assert Evaluation.objects.get(version=version).job == again
    run_jobs("evaluation")


def test_changed_files_are_not_measured(world, settings):
    _, _, data = world
    _, version = trained(world, "baseline")
    run = TrainingRun.objects.get(version=version)
    model = settings.ARTIFACT_ROOT / version.artifact_path / "model.skops"
    model.write_bytes(model.read_bytes() + b"\0")

    with pytest.raises(ScoringError, match="has changed"):
        run_jobs("evaluation")

    assert not Evidence.objects.filter(version=run.version).exists()
    assert data.digest == run.version.data_digest


def test_an_attempt_that_lost_its_lease_registers_nothing(world, monkeypatch):
    engineer, model, data = world
    job = training_start(actor=engineer, model=model, pipeline="baseline", dataset_version=data)
    before = ModelVersion.objects.filter(model=model).count()
    outcome = TrainingResult("run", "0", "m-1", "models:/m-1", metrics={}, importance={})

    def overtaken(**given):
        Job.objects.filter(pk=job.pk).update(attempt=7)  # the reaper gave the job to another worker
        return training_register(**given | {"result": outcome})

    monkeypatch.setattr("experiments.handlers.training.training_register", overtaken)
    with pytest.raises(LeaseLostError):
        run_jobs("training")

    assert ModelVersion.objects.filter(model=model).count() == before
    assert not TrainingRun.objects.filter(job=job).exists()
