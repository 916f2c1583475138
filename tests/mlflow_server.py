"""A real MLflow process on a database of its own, shared by every module that asks for it, and clients of it."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from django.db import connections
from mlflow import MlflowClient

from controlplane.embedded import free_port
from registry.models import Role, Team
from tests.conftest import _clone_database
from tests.factories import make_team, make_token

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Server:
    """Where the process answers, and where it keeps artifacts."""

    url: str
    artifacts: Path
    log: Path


@dataclass(frozen=True)
class Member:
    """A member of a team with a token, and MLflow's stock client that sends it."""

    team: Team
    user: object
    token: object
    secret: str
    server: Server
    client: MlflowClient

    @contextmanager
    def signed_in(self):
        """Let MLflow's fluent functions and clients speak as this member."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", self.server.url)
            patch.setenv("MLFLOW_TRACKING_TOKEN", self.secret)
            patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # a fault shows at once
            patch.setenv(
                "MLFLOW_EXPERIMENT_ID", ""
            )  # set_experiment() writes both, and would leave them to other tests
            patch.delenv("MLFLOW_EXPERIMENT_ID")
            patch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
            yield self.client

    def send(self, method, path, **options):
        """Send a plain request with the member's token."""
        headers = {"Authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        return requests.request(method, f"{self.server.url}{path}", headers=headers, timeout=10, **options)


@pytest.fixture(scope="session")
def mlflow_database(worker_id):
    return f"mlflow_{worker_id}"


@pytest.fixture(scope="session")
def mlflow_process(mlflow_database, django_db_setup, database_name, django_db_blocker, tmp_path_factory):
    with start_mlflow(tmp_path_factory.mktemp("mlflow"), mlflow_database, database_name, django_db_blocker) as server:
        yield server


@contextmanager
def start_mlflow(home, database, back_to, django_db_blocker, **variables):
    """Run the process on a fresh copy of the template, and let Django point at ``back_to`` again."""
    with django_db_blocker.unblock():
        _clone_database(database)
        environment = {
            **os.environ,
            "MLFLOW_URL": f"http://127.0.0.1:{free_port()}",
            "VAR_DIR": str(home),
            "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",  # where tests receive
            **variables,
        }
        _point_at(back_to)
    server = Server(environment["MLFLOW_URL"], home / "artifacts", home / "log")
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "mlflow_server"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def mlflow_server(mlflow_process, mlflow_database, database_name, django_db_blocker, settings):
    """Point this test's Django at the server's database. What it writes is committed, so every test has its own teams."""
    settings.ARTIFACT_ROOT = mlflow_process.artifacts
    with django_db_blocker.unblock():
        _point_at(mlflow_database)
        yield mlflow_process
        _point_at(database_name)


@pytest.fixture
def join(mlflow_server):
    """Return a function that makes a member of a team."""

    def member(team=None, role=Role.ENGINEER, scopes=("read", "write"), **team_fields):
        team = team or make_team(**team_fields)
        token, secret = make_token(team, role, scopes)
        return Member(team, token.user, token, secret, mlflow_server, MlflowClient(mlflow_server.url))

    return member


@pytest.fixture
def engineer(join):
    """An engineer of a governed team, by whom the test's MLflow client speaks."""
    member = join()
    with member.signed_in():
        yield member


def _point_at(name: str) -> None:
    connections.close_all()
    for alias in connections:
        connections[alias].settings_dict["NAME"] = name
    for variable in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        os.environ[variable] = f"{os.environ[variable].rsplit('/', 1)[0]}/{name}"


def _wait(server: Server, process: subprocess.Popen) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            requests.get(f"{server.url}/health", timeout=5)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"MLflow did not start:\n{server.log.read_text()[-4000:]}")
