"""The gate before MLflow: tokens, roles, teams, unknown routes, and paths that climb."""

import base64
import http.client

import pytest
from django.test import Client
from mlflow.exceptions import MlflowException

from registry import services
from registry.models import ModelVersion, RegisteredModel, Role
from tests.factories import PASSWORD, make_user, read_files

pytest_plugins = ["tests.mlflow_server"]

SEARCH = "/api/2.0/mlflow/registered-models/search"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def logged(engineer):
    """One object of each kind, of the engineer's team."""
    client = engineer.client
    experiment = client.create_experiment(f"{engineer.team.slug}-flights")
    run = client.create_run(experiment).info
    client.log_text(run.run_id, "ours", "model/weights.txt")
    name = client.create_registered_model(f"{engineer.team.slug}-model").name
    client.create_model_version(name, f"runs:/{run.run_id}/model", run.run_id)
    folder = run.artifact_uri.removeprefix("mlflow-artifacts:/")
    return {"experiment": experiment, "run": run.run_id, "model": name, "folder": folder}


def test_health_is_open_and_nothing_else(mlflow_server, join):
    nobody = join()
    nobody = nobody.__class__(**{**nobody.__dict__, "secret": "cp_wrong"})

    assert nobody.send("GET", "/health").status_code == 200
    for path in ("/", SEARCH, f"{ARTIFACTS}/a", "/no/such/route", "/v1/traces", "/graphql", "/static-files/x.js"):
        answer = nobody.send("GET", path)
        assert (path, answer.status_code) == (path, 401)
        assert "Basic" in answer.headers["WWW-Authenticate"]
        assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_client_without_a_token_is_refused(engineer, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")

    with pytest.raises(MlflowException, match="UNAUTHENTICATED"):
        engineer.client.search_registered_models()


def test_revoked_token_is_refused_at_once(engineer):
    engineer.client.search_registered_models()
    services.token_revoke(actor=None, token_id=engineer.token.pk, process="test")

    with pytest.raises(MlflowException, match="UNAUTHENTICATED"):
        engineer.client.search_registered_models()


def test_token_as_basic_password(engineer):
    basic = base64.b64encode(f"anybody:{engineer.secret}".encode()).decode()

    assert engineer.send("GET", SEARCH, headers={"Authorization": f"Basic {basic}"}).status_code == 200


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRODUCT, Role.APPROVER])
def test_roles_that_only_read(join, role):
    with join(role=role).signed_in() as client:
        assert client.search_registered_models() == []
        for write in (lambda: client.create_experiment("mine"), lambda: client.create_registered_model("mine")):
            with pytest.raises(MlflowException, match="engineer or admin") as error:
                write()
            assert error.value.error_code == "PERMISSION_DENIED"
    assert not RegisteredModel.objects.filter(name="mine").exists()


def test_token_with_the_scope_read_only_reads(join):
    with join(scopes=["read"]).signed_in() as client:
        assert client.search_registered_models() == []
        with pytest.raises(MlflowException, match="scope write"):
            client.create_experiment("mine")


def test_session_of_the_web_pages_looks_and_does_not_write(engineer, logged, mlflow_server):
    browser = Client()
    browser.login(username=engineer.user.username, password=PASSWORD)
    cookie = {"Authorization": None, "Cookie": f"sessionid={browser.cookies['sessionid'].value}"}

    assert engineer.send("GET", "/", headers=cookie).status_code == 200
    assert logged["model"] in engineer.send("GET", SEARCH, headers=cookie).text
    answer = engineer.send("POST", "/api/2.0/mlflow/experiments/create", headers=cookie, json={"name": "x"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    browser.logout()
    assert engineer.send("GET", SEARCH, headers=cookie).status_code == 401


def test_other_teams_objects_do_not_exist(engineer, logged, join):
    stranger = join()
    asked = [
        ("GET", f"/api/2.0/mlflow/experiments/get?experiment_id={logged['experiment']}", None),
        ("GET", f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={engineer.team.slug}-flights", None),
        ("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": logged["experiment"]}),
        ("POST", "/api/2.0/mlflow/experiments/update", {"experiment_id": logged["experiment"], "new_name": "x"}),
        ("POST", "/api/2.0/mlflow/experiments/set-experiment-tag",
         {"experiment_id": logged["experiment"], "key": "a", "value": "b"}),
        ("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": logged["experiment"]}),
        ("GET", f"/api/2.0/mlflow/runs/get?run_id={logged['run']}", None),
        ("POST", "/api/2.0/mlflow/runs/update", {"run_id": logged["run"], "status": "FAILED"}),
        ("POST", "/api/2.0/mlflow/runs/delete", {"run_id": logged["run"]}),
        ("POST", "/api/2.0/mlflow/runs/log-batch",
         {"run_id": logged["run"], "metrics": [{"key": "a", "value": 1, "timestamp": 1, "step": 0}]}),
        ("POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": logged["run"], "key": "a", "value": 1, "timestamp": 1}),
        ("POST", "/api/2.0/mlflow/runs/log-parameter", {"run_id": logged["run"], "key": "a", "value": "1"}),
        ("POST", "/api/2.0/mlflow/runs/set-tag", {"run_id": logged["run"], "key": "a", "value": "1"}),
        ("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={logged['run']}&metric_key=a", None),
        ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={logged['run']}", None),
        ("GET", f"/get-artifact?run_id={logged['run']}&path=model/weights.txt", None),
        ("GET", f"{ARTIFACTS}/{logged['folder']}/model/weights.txt", None),
        ("PUT", f"{ARTIFACTS}/{logged['folder']}/model/weights.txt", None),
        ("DELETE", f"{ARTIFACTS}/{logged['folder']}/model/weights.txt", None),
        ("GET", f"{ARTIFACTS}?path={logged['folder']}", None),
        ("GET", f"/api/2.0/mlflow/registered-models/get?name={logged['model']}", None),
        ("PATCH", "/api/2.0/mlflow/registered-models/update", {"name": logged["model"], "description": "x"}),
        ("DELETE", "/api/2.0/mlflow/registered-models/delete", {"name": logged["model"]}),
        ("POST", "/api/2.0/mlflow/registered-models/alias", {"name": logged["model"], "alias": "a", "version": "1"}),
        ("GET", f"/api/2.0/mlflow/model-versions/get?name={logged['model']}&version=1", None),
        ("POST", "/api/2.0/mlflow/model-versions/create", {"name": logged["model"], "source": "runs:/x/m", "run_id": "x"}),
        ("DELETE", "/api/2.0/mlflow/model-versions/delete", {"name": logged["model"], "version": "1"}),
        ("GET", f"/model-versions/get-artifact?name={logged['model']}&version=1&path=weights.txt", None),
    ]  # fmt: skip
    for method, path, body in asked:
        answer = stranger.send(method, path, json=body)
        assert (method, path, answer.status_code, answer.json()["error_code"]) == (
            method, path, 404, "RESOURCE_DOES_NOT_EXIST",
        )  # fmt: skip
    with engineer.signed_in() as client:
        assert client.get_run(logged["run"]).data.metrics == {}
        assert client.get_experiment(logged["experiment"]).lifecycle_stage == "active"
        assert client.get_model_version(logged["model"], 1).aliases == []


def test_searches_show_the_own_team_alone(engineer, logged, join):
    with join().signed_in() as stranger:
        assert stranger.search_experiments() == []
        assert stranger.search_registered_models() == []
        assert stranger.search_model_versions(f"run_id='{logged['run']}'") == []
        assert stranger.search_runs([logged["experiment"]]) == []


def test_no_experiment_belongs_to_everybody(engineer):
    with pytest.raises(MlflowException) as error:
        engineer.client.create_run("0")

    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_workspace_of_another_team_does_not_exist(engineer, join):
    other = join()
    for name in (f"team-{other.team.pk}", "default", "../x"):
        answer = engineer.send("GET", SEARCH, headers={"X-MLFLOW-WORKSPACE": name})
        assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    listed = engineer.send("GET", "/api/3.0/mlflow/workspaces").json()["workspaces"]
    assert [w["name"] for w in listed] == [f"team-{engineer.team.pk}"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/3.0/mlflow/workspaces"),
        ("POST", "/api/3.0/mlflow/gateway/secrets/create"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("GET", "/ajax-api/3.0/mlflow/assistant/config"),
        ("POST", "/ajax-api/3.0/jobs/"),
        ("POST", "/gateway/mlflow/v1/chat/completions"),
        ("GET", "/api/3.0/mlflow/mcp-servers"),
        ("POST", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact"),
        ("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/a"),
        ("TRACE", "/api/2.0/mlflow/registered-models/search"),
        ("GET", "/no/such/route"),
    ],
)
def test_routes_that_are_not_offered(engineer, method, path):
    answer = engineer.send(method, path, json={})

    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


CLIMBS = [
    "../x", "a/../../x", "%2e%2e/x", "%252e%252e/x", "%25252e%25252e/x", "a;/../x", "..;/x", "a%23/../x", "a%00b",
    "%2fetc/passwd", "..%5cx", "a/%2e%2e%2f%2e%2e%2fx",
]  # fmt: skip


@pytest.mark.parametrize("path", CLIMBS)
def test_paths_that_climb(engineer, logged, path):
    host = engineer.server.url.removeprefix("http://")
    for method, target in (
        ("GET", f"{ARTIFACTS}/{path}"),
        ("PUT", f"{ARTIFACTS}/{path}"),
        ("DELETE", f"{ARTIFACTS}/{path}"),
        ("GET", f"{ARTIFACTS}?path={path.replace(';', '%3B')}"),
        ("GET", f"/get-artifact?run_id={logged['run']}&path={path.replace(';', '%3B')}"),
        ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={logged['run']}&path={path.replace(';', '%3B')}"),
    ):
        connection = http.client.HTTPConnection(host, timeout=10)  # requests would tidy the path up
        connection.request(method, target, body=b"x", headers={"Authorization": f"Bearer {engineer.secret}"})
        answer = connection.getresponse()
        assert (method, target, answer.status) == (method, target, 400)
        connection.close()
    assert not [p for p in engineer.server.artifacts.parent.rglob("x") if p.is_file()]


SOURCES = [
    "file:///etc/passwd", "/etc/passwd", "../../etc/passwd", "mlflow-artifacts:/../../etc/passwd",
    "mlflow-artifacts:/%252e%252e/etc", "s3://bucket/model", "https://example.com/model", "dbfs:/x", "runs:/other/model",
    "models:/m-0123456789abcdef0123456789abcdef",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_sources_outside_the_artifact_store(engineer, logged, source):
    plain = {"name": logged["model"], "source": source}
    full = {**plain, "run_id": logged["run"], "run_link": "https://example.com", "description": "x",
            "tags": [{"key": "mlflow.prompt.is_prompt", "value": "false"}]}  # fmt: skip
    for body in (plain, full):
        answer = engineer.send("POST", "/api/2.0/mlflow/model-versions/create", json=body)
        assert (source, answer.status_code, answer.json()["error_code"]) == (source, 400, "INVALID_PARAMETER_VALUE")
    assert ModelVersion.objects.filter(model__name=logged["model"]).count() == 1


def test_registered_files_never_change(engineer, logged):
    version = ModelVersion.objects.get(model__name=logged["model"])
    read_files(version)
    folder = f"{ARTIFACTS}/{logged['folder']}"

    for method, path in (("PUT", "model/weights.txt"), ("PUT", "model/new"), ("DELETE", "model"), ("DELETE", "")):
        answer = engineer.send(method, f"{folder}/{path}".rstrip("/"), data=b"theirs")
        assert (path, answer.status_code, answer.json()["error_code"]) == (path, 403, "PERMISSION_DENIED")
    assert engineer.send("PUT", f"{folder}/notes.txt", data=b"more").status_code == 200
    assert engineer.send("GET", f"{folder}/model/weights.txt").text == "ours"


def test_inactive_user_is_refused(join):
    member = join()
    make_user(member.team)
    type(member.user).objects.filter(pk=member.user.pk).update(is_active=False)

    assert member.send("GET", SEARCH).status_code == 401
