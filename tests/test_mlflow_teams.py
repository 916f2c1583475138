"""What MLflow keeps beside runs (logged models, traces, data sets) is a team's own; and the seams with MLflow hold."""

import os

import mlflow
import psycopg2
import pytest
from mlflow.genai.datasets import create_dataset
from mlflow.server import app as flask_app
from mlflow.store.model_registry.abstract_store import AbstractStore

from registry.mlflow import routes
from registry.mlflow.store import RegistryStore

pytest_plugins = ["tests.mlflow_server"]


@pytest.fixture
def kept(engineer):
    """A logged model, a trace with an assessment and an evaluation data set of the engineer's team."""
    experiment = mlflow.set_experiment(f"{engineer.team.slug}-agents").experiment_id
    with mlflow.start_span("answer") as span:
        span.set_inputs({"question": "Is it late?"})
    mlflow.flush_trace_async_logging()
    assessment = mlflow.log_feedback(trace_id=span.trace_id, name="correct", value=True)
    run = engineer.client.create_run(experiment).info.run_id
    return {
        "experiment": experiment,
        "run": run,
        "model": engineer.client.create_logged_model(experiment, "m", source_run_id=run).model_id,
        "trace": span.trace_id,
        "assessment": assessment.assessment_id,
        "dataset": create_dataset(name=f"{engineer.team.slug}-questions", experiment_id=experiment).dataset_id,
    }


ASKED = [
    ("GET", "/api/2.0/mlflow/logged-models/{model}", None),
    ("DELETE", "/api/2.0/mlflow/logged-models/{model}", None),
    ("PATCH", "/api/2.0/mlflow/logged-models/{model}", {"model_id": "{model}", "status": "LOGGED_MODEL_READY"}),
    ("PATCH", "/api/2.0/mlflow/logged-models/{model}/tags", {"tags": [{"key": "a", "value": "b"}]}),
    ("POST", "/api/2.0/mlflow/logged-models/{model}/params", {"model_id": "{model}", "params": [{"key": "a", "value": "b"}]}),
    ("GET", "/api/2.0/mlflow/logged-models/{model}/artifacts/directories", None),
    ("GET", "/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path=MLmodel", None),
    ("POST", "/api/2.0/mlflow/logged-models", {"experiment_id": "{experiment}", "name": "x"}),
    ("GET", "/api/3.0/mlflow/traces/{trace}", None),
    ("GET", "/api/3.0/mlflow/traces/get?trace_id={trace}", None),
    ("PATCH", "/api/3.0/mlflow/traces/{trace}/tags", {"key": "a", "value": "b"}),
    ("POST", "/api/3.0/mlflow/traces/{trace}/assessments",
     {"assessment": {"assessment_name": "a", "source": {"source_type": "HUMAN", "source_id": "x"},
                     "feedback": {"value": False}}}),
    ("GET", "/api/3.0/mlflow/traces/{trace}/assessments/{assessment}", None),
    ("DELETE", "/api/3.0/mlflow/traces/{trace}/assessments/{assessment}", None),
    ("GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id={trace}", None),
    ("GET", "/api/3.0/mlflow/datasets/{dataset}", None),
    ("GET", "/api/3.0/mlflow/datasets/{dataset}/records", None),
    ("DELETE", "/api/3.0/mlflow/datasets/{dataset}", None),
    ("PATCH", "/api/3.0/mlflow/datasets/{dataset}/tags", {"tags": "{{}}"}),
    ("POST", "/api/3.0/mlflow/datasets/{dataset}/add-experiments", {"experiment_ids": ["{experiment}"]}),
    ("POST", "/api/2.0/mlflow/runs/log-inputs", {"run_id": "{run}", "models": [{"model_id": "{model}"}]}),
    ("POST", "/api/2.0/mlflow/runs/outputs", {"run_id": "{run}", "models": [{"model_id": "{model}", "step": 0}]}),
]  # fmt: skip


def _filled(value, kept):
    if isinstance(value, str):
        return value.format(**kept)
    if isinstance(value, list):
        return [_filled(item, kept) for item in value]
    return {key: _filled(item, kept) for key, item in value.items()} if isinstance(value, dict) else value


def test_other_teams_logged_models_traces_and_data_sets_do_not_exist(join, kept):
    stranger = join()

    answers = []
    for method, path, body in ASKED:
        answer = stranger.send(method, path.format(**kept), json=_filled(body, kept))
        answers.append((method, path, answer.status_code))

    assert answers == [(method, path, 404) for method, path, _ in ASKED]


def test_searches_of_traces_and_data_sets_show_the_own_team_alone(engineer, join, kept):
    stranger = join()
    place = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": kept["experiment"]}}]
    for path, body in (
        ("/api/3.0/mlflow/traces/search", {"locations": place}),
        ("/api/3.0/mlflow/traces/batchGetInfos", {"trace_ids": [kept["trace"]]}),
        ("/api/2.0/mlflow/logged-models/search", {"experiment_ids": [kept["experiment"]]}),
        ("/api/3.0/mlflow/datasets/search", {"experiment_ids": [kept["experiment"]]}),
        ("/graphql", {"operationName": "GetRun",
                      "query": "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { run { info { runUuid } } } }",
                      "variables": {"data": {"runId": kept["run"]}}}),
    ):  # fmt: skip
        theirs, ours = stranger.send("POST", path, json=body), engineer.send("POST", path, json=body)
        ids = [kept[key] for key in ("trace", "model", "dataset")] + [f'"runUuid":"{kept["run"]}"']
        assert (path, any(i in ours.text.replace(" ", "") for i in ids)) == (path, True)
        assert (path, any(i in theirs.text.replace(" ", "") for i in ids)) == (path, False)


def test_server_heals_after_the_database_dropped_its_connections(engineer, mlflow_database):
    engineer.client.search_registered_models()
    connection = psycopg2.connect(os.environ["TEST_SUPERUSER_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [mlflow_database],
        )
    connection.close()

    for _ in range(5):
        engineer.client.search_registered_models()
        engineer.client.search_experiments()


def test_every_route_that_is_offered_exists():
    endpoints = {rule.endpoint for rule in flask_app.url_map.iter_rules()}

    assert endpoints >= routes.READ | routes.WRITE
    assert not routes.READ & routes.WRITE


def test_every_method_of_mlflows_registry_is_there():
    abstract = {name for name in dir(AbstractStore) if getattr(getattr(AbstractStore, name), "__isabstractmethod__", 0)}
    webhooks = {name for name in dir(AbstractStore) if "webhook" in name}

    assert len(abstract) > 15
    assert {
        name for name in abstract | webhooks if getattr(RegistryStore, name) is getattr(AbstractStore, name)
    } == set()
