"""The two servers that are compared, each a process of its own on data of its own: this product's and MLflow's."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, Valkey, free_port

ROOT = Path(__file__).parent.parent
STARTS_WITHIN_S = 120
TEAM = """
from registry.models import Membership, Role, Team
from registry.services import token_create
from django.contrib.auth.models import User
team = Team.objects.create(slug="sandbox", name="Sandbox", governed=False)
user = User.objects.create_user("sandbox")
Membership.objects.create(team=team, user=user, role=Role.ENGINEER)
print(token_create(actor=None, user=user, team=team, name="conformance", scopes=["read", "write"], process="conformance")[1])
"""


@dataclass(frozen=True)
class Address:
    """Where a server answers, and the token that it wants; empty where it wants none."""

    url: str
    token: str = ""

    def environment(self) -> dict[str, str]:
        """Return what MLflow's clients read."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a fault shows at once
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }


@contextmanager
def product() -> Iterator[Address]:
    """Run this product's MLflow process on an empty database, with one team whose aliases and deletes are free."""
    url = f"http://127.0.0.1:{free_port()}"
    with _installation(MLFLOW_URL=url) as (home, environment):
        token = _manage("shell", "-v0", "-c", TEAM, environment=environment).strip().rpartition("\n")[2]
        with _running(
            [sys.executable, "manage.py", "mlflow_server"], f"{url}/health", environment, home / "mlflow.log"
        ):
            yield Address(url, token)


@contextmanager
def control_plane(world: str) -> Iterator[tuple[str, Any, Path]]:
    """Run this product's web process and a broker, on what the module ``world`` makes when it is run.

    Yields the address, the JSON that ``world`` printed last, and the log of the web process.
    """
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        sys.executable, "-m", "gunicorn", "controlplane.wsgi", "--bind", url.removeprefix("http://"),
        "--worker-class", "gthread", "--workers", "2", "--threads", "4", "--no-control-socket",
        "--limit-request-line", "0",  # what gunicorn refuses, the product never sees
    ]  # fmt: skip
    with _installation() as (home, environment):
        broker = Valkey(home / "broker", free_port())
        process = broker.start()
        try:
            environment = environment | {"BROKER_URL": broker.url}
            made = json.loads(_manage("shell", "-v0", "-c", world, environment=environment).strip().rpartition("\n")[2])
            with _running(command, f"{url}/health/", environment, home / "web.log"):
                yield url, made, home / "web.log"
        finally:
            process.terminate()


@contextmanager
def _installation(**more: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Make an empty database; yields the folder of all data, and what processes find it by."""
    home = Path(tempfile.mkdtemp(prefix="controlplane-conformance-"))
    home.chmod(0o755)  # PostgreSQL runs unprivileged and has to reach its data
    (home / "static").mkdir()
    postgres = Postgres(home / "postgres", free_port())
    try:
        postgres.start(durable=False)
        environment = {
            **os.environ, "DEPLOYMENT": "test", "SECRET_KEY": secrets.token_urlsafe(40), "VAR_DIR": str(home),
            "BROKER_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": postgres.url(APP_ROLE), **more,
        }  # fmt: skip
        _manage("provision", "-v0", environment=environment | {"DATABASE_OWNER_URL": postgres.url(OWNER_ROLE)})
        yield home, environment
    finally:
        postgres.destroy()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def mlflows_own() -> Iterator[Address]:
    """Run MLflow's own server, of the release that this product builds on, with its own registry on SQLite."""
    home = Path(tempfile.mkdtemp(prefix="mlflow-conformance-"))
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "artifacts"),
    ]  # fmt: skip
    environment = {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    try:
        with _running(command, f"http://127.0.0.1:{port}/health", environment, home / "log"):
            yield Address(f"http://127.0.0.1:{port}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _manage(*command: str, environment: dict[str, str]) -> str:
    return subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@contextmanager
def _running(command: list[str], url: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(url, process, log)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310  our own server on 127.0.0.1
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} did not answer:\n{log.read_text()[-4000:]}")
