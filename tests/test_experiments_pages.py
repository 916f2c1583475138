"""The pages of data sets, runs and training, asked for by people of different roles."""

import pandas as pd
import pytest
from django.urls import reverse

from experiments.models import Evaluation, TrainingRun
from experiments.suites import suite_for
from jobs.models import Job
from registry.models import ModelVersion, Role
from registry.services import evidence_record
from tests import factories
from tests.data_sets import make_data

pytestmark = pytest.mark.django_db


USUAL = {"folds": 0, "fold_window": "expanding", "fold_gap_hours": 0.0, "calibration": "none", "positive_weight": 1.0}


@pytest.fixture
def team():
    return factories.make_team("travel")


@pytest.fixture
def data(team):
    rows = pd.DataFrame({"origin": ["EWR", "JFK", "LGA"] * 40, "distance": [float(n) for n in range(120)]})
    version = make_data(team, rows)
    type(version).objects.filter(pk=version.pk).update(
        checks=[{"name": "All well", "passed": True, "detail": "yes"}],
        splits=version.splits | {"held_out": version.splits["replay"]},
    )
    version.refresh_from_db()
    return version


@pytest.fixture
def engineer(client, team):
    user = factories.make_user(team)
    client.force_login(user)
    return user


def make_run(data, *, value=0.43, main="average_precision", task="classification"):
    """A version with the lineage and evidence that its jobs would have left."""
    model = factories.make_model(data.dataset.team, task=task)
    version = factories.make_version(model)
    job, measuring = (
        Job.objects.create(kind=kind, queue="training", scope=data.dataset.team.slug, title=kind, state="succeeded")
        for kind in ("train", "evaluate")
    )
    Evaluation.objects.create(version=version, dataset_version=data, suite=suite_for(task).name, job=measuring)
    detail = {"precision_recall": [[0.0, 1.0], [0.5, 0.6], [1.0, 0.1]]}
    evidence_record(
        version=version, job=measuring, metric=main, value=value, ci_low=value - 0.01, ci_high=value + 0.01,
        detail=detail,
    )  # fmt: skip
    evidence_record(
        version=version, job=measuring, metric="calibration_error", value=0.01, ci_low=0.0, ci_high=0.02,
        detail={"reliability": [[0.05, 0.06, 100], [0.3, 0.28, 100]]},
    )  # fmt: skip
    return TrainingRun.objects.create(
        job=job, dataset_version=data, version=version, pipeline="lightgbm", params={"seed": 7}, run_id="a" * 32,
        metrics={f"validation_{main}": 0.5}, importance={"distance": 0.8, "origin": 0.2}, experiment_id="1",
    )  # fmt: skip


def test_data_sets_of_other_teams_are_left_out(client, engineer, data):
    other = make_data(factories.make_team("markets"), pd.DataFrame({"x": range(12)}))

    page = client.get("/datasets/").content.decode()

    assert data.dataset.name in page
    assert data.digest in page
    assert other.dataset.name not in page
    for address in (other.dataset.path, other.path):
        assert client.get(address).status_code == 404


def test_an_engineer_makes_a_data_set_and_has_a_version_built(client, engineer, team):
    made = client.post("/datasets/new/", {"team": team.pk, "name": "flights-2013", "description": "One flight a row."})
    started = client.post("/datasets/flights-2013/build/", {"builder": "flights", "keep_one_in": "5"})

    job = Job.objects.get(kind="dataset_build")
    assert made.url == "/datasets/flights-2013/"
    assert started.url == f"/jobs/{job.pk}/"
    assert job.params["params"] == {"keep_one_in": 5}


@pytest.mark.parametrize("name", ["new", "Flights 2013", "-x"])
def test_a_name_that_cannot_be_an_address_is_refused_beside_the_field(client, engineer, team, name):
    answer = client.post("/datasets/new/", {"team": team.pk, "name": name})

    assert answer.status_code == 422
    assert "lower-case letters" in answer.content.decode()


def test_a_parameter_out_of_range_is_refused_beside_the_field(client, engineer, data):
    answer = client.post(f"{data.dataset.path}build/", {"builder": "flights", "keep_one_in": "0"})

    assert answer.status_code == 422
    assert "greater than or equal to 1" in answer.content.decode()
    assert not Job.objects.exists()


def test_a_version_page_shows_schema_profile_checks_and_users(client, engineer, data):
    run = make_run(data)

    page = client.get(data.path).content.decode()

    assert "All well" in page
    assert data.digest in page
    assert '<path d="M0,28' in page  # the histogram of distance
    assert "33.3%" in page or "33%" in page  # each origin's share
    assert f'href="{run.version.path}"' in page


def test_runs_show_what_was_measured_since(client, engineer, data, django_assert_max_num_queries):
    for _ in range(5):
        make_run(data)

    with django_assert_max_num_queries(12):
        page = client.get("/runs/").content.decode()

    assert page.count("0.430") == 5
    assert page.count("0.500") == 5
    assert "/#/experiments/1/runs/aaaa" in page


def test_runs_show_the_metric_that_versions_of_the_models_task_are_told_apart_by(client, engineer, data):
    make_run(data)
    make_run(data, main="mase", task="forecasting", value=0.87)

    page = client.get("/runs/").content.decode()

    assert page.count("0.870") == page.count("0.430") == 1
    assert page.count('<span class="d">MASE</span>') == page.count('<span class="d">Average precision</span>') == 2
    assert "not measured" not in page


def test_the_training_form_shows_the_declared_parameters_of_the_pipeline(client, engineer, team, data):
    model = factories.make_model(team)

    plain = client.get(f"{model.path}train/?pipeline=baseline").content.decode()
    boosted = client.get(f"{model.path}train/").content.decode()

    assert "Inverse penalty C" in plain
    assert "Leaves per tree" in boosted
    assert str(data) in boosted


def test_the_training_form_offers_the_ways_of_the_task_and_the_rows_that_fit(client, engineer, team, data):
    ranking = factories.make_model(team, task="ranking")

    nothing = client.get(f"{ranking.path}train/").content.decode()
    type(data).objects.filter(pk=data.pk).update(
        columns=[*data.columns[1:], {**data.columns[0], "role": "query"}]
    )  # fmt: skip
    fits = client.get(f"{ranking.path}train/").content.decode()
    chooses_itself = client.get(f"{factories.make_model(team, task='retrieval').path}search/").content.decode()

    assert "LambdaMART" in nothing
    assert "Isolation forest" not in nothing
    assert "no data set version of the team has them yet" in nothing
    assert str(data) in fits
    assert "chooses its parameters itself" in chooses_itself


def test_training_is_started_with_the_chosen_parameters(client, engineer, team, data):
    model = factories.make_model(team)

    answer = client.post(
        f"{model.path}train/?pipeline=baseline",
        {"dataset_version": data.pk, "inverse_penalty": "0.5", "rare_below": "20", "max_iterations": "100", **USUAL},
    )

    job = Job.objects.get(kind="train")
    assert answer.url == f"/jobs/{job.pk}/"
    assert job.subject == model.path
    assert job.params == {
        "model_id": model.pk, "dataset_version_id": data.pk, "pipeline": "baseline",
        "params": {"inverse_penalty": 0.5, "rare_below": 20, "max_iterations": 100, **USUAL},
    }  # fmt: skip


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRODUCT, Role.APPROVER, Role.ADMIN])
def test_only_an_engineer_trains(client, team, data, role):
    model = factories.make_model(team)
    client.force_login(factories.make_user(team, role))

    answer = client.post(
        f"{model.path}train/?pipeline=baseline",
        {"dataset_version": data.pk, "inverse_penalty": "0.5", "rare_below": "20", "max_iterations": "100", **USUAL},
    )

    assert answer.status_code == 403
    assert "role engineer" in answer.content.decode()
    assert not Job.objects.exists()


def test_data_that_failed_a_check_are_not_trained_on(client, engineer, team, data):
    type(data).objects.update(checks=[{"name": "Each row has a label", "passed": False, "detail": "3"}])
    model = factories.make_model(team)

    answer = client.post(
        f"{model.path}train/?pipeline=baseline",
        {"dataset_version": data.pk, "inverse_penalty": "0.5", "rare_below": "20", "max_iterations": "100", **USUAL},
    )

    assert answer.status_code == 409
    assert "Each row has a label" in answer.content.decode()
    assert not Job.objects.exists()


def test_the_panel_shows_lineage_curves_and_parameters(client, engineer, data):
    run = make_run(data)

    panel = client.get(reverse("training_panel", args=[run.version.model.name, run.version.number])).content.decode()

    assert f'href="{data.path}"' in panel
    assert "Precision by recall" in panel
    assert "Happened by predicted" in panel
    assert "<dt>seed</dt><dd>7</dd>" in panel
    assert "80%" in panel


def test_the_panel_of_a_version_from_outside_says_so(client, engineer, team):
    version = factories.make_version(factories.make_model(team))

    panel = client.get(f"{version.path}training-panel/").content.decode()

    assert "It was not trained here" in panel


def test_the_panel_offers_rows_that_have_every_input_of_a_version_from_outside(client, engineer, data):
    model = factories.make_model(data.dataset.team)
    fits, lacks = (
        factories.make_version(model, inputs=[{"name": name, "type": "double"} for name in names])
        for names in (data.features(), ["unheard_of"])
    )

    offered, nothing = (client.get(f"{version.path}training-panel/").content.decode() for version in (fits, lacks))
    refused = client.post(f"{lacks.path}evaluate/", {"dataset_version": data.pk}, follow=True).content.decode()
    started = client.post(f"{fits.path}evaluate/", {"dataset_version": data.pk})
    again = client.get(f"{fits.path}training-panel/").content.decode()

    assert f'<option value="{data.pk}">{data}</option>' in offered
    assert "has all its inputs" in nothing
    assert "Choose rows that have all its inputs and on which it is not measured yet" in refused
    assert Evaluation.objects.get(version=fits).job.path == started.url
    assert "Measure on" not in again


def test_the_panel_offers_to_measure_against_a_new_champion(client, engineer, data):
    run = make_run(data)
    before = client.get(f"{run.version.path}training-panel/").content.decode()
    champion = factories.make_champion(run.version.model)

    after = client.get(f"{run.version.path}training-panel/").content.decode()
    started = client.post(f"{run.version.path}evaluate/", {"dataset_version": data.pk})

    job = Job.objects.filter(kind="evaluate").latest("id")
    assert "Measure" not in before.replace("Measured", "")
    assert f"Measure against the champion, v{champion.number}" in after
    assert started.url == f"/jobs/{job.pk}/"
    assert Evaluation.objects.get(job=job).against == champion
    assert ModelVersion.objects.get(pk=run.version_id).evidence.filter(against=champion).count() == 0
