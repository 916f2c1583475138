"""What was acknowledged stays: web processes that are killed, a PostgreSQL that is stopped, a disk that is full."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import requests
from django.db import connections
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmarks.gateway_faults import until
from controlplane.embedded import Postgres, free_port
from registry.models import AuditEvent, RegisteredModel, Team
from tests.factories import make_team, make_token

ROOT = Path(__file__).parent.parent
CALLERS = 4
LET_WRITE_S = 2.0  # between two faults
STARTS_S = 120


@dataclass
class Writers:
    """Callers that go on creating models through the API, whatever they are answered.

    Attributes:
        acknowledged: the names that were answered with 201.
        answers: how many answers of each status; 0: the connection broke.
    """

    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)
    last_at: float = 0.0


@dataclass(frozen=True)
class Writes:
    """What became of writes.

    Attributes:
        absent: acknowledged and not there afterwards.
        half: models without their event in the audit trail.
        faults: times the process was killed or stopped.
        recovery_s: the longest from the fault's end until a write was acknowledged again (s).
        answers: by status; 0: the connection broke.
    """

    acknowledged: int
    absent: int
    half: int
    faults: int
    recovery_s: float
    answers: dict[int, int]


@dataclass(frozen=True)
class FullDisk:
    """Uploads into a disk that fills up.

    Attributes:
        refused: uploads that the client was told had failed.
        corrupt: files under a final name that are not what was sent.
        told: what the client read.
        recovered: whether an upload succeeded once there was room.
    """

    kept: int
    refused: int
    corrupt: int
    told: str
    recovered: bool


def kill_web(*, kills: int) -> Writes:
    """Kill the web process with everything it started, again and again, while models are created (F2)."""
    team, secret = _team("kill-web")
    port, slowest = free_port(), 0.0
    web = _web(port)
    try:
        with _writing(port, secret) as writers:
            for _ in range(kills):
                _acknowledged_since(writers, time.monotonic())
                time.sleep(LET_WRITE_S)
                os.killpg(web.pid, signal.SIGKILL)
                web.wait()
                began = time.monotonic()
                web = _web(port)
                slowest = max(slowest, _acknowledged_since(writers, began))
    finally:
        os.killpg(web.pid, signal.SIGKILL)
        web.wait()
    return _found(team, writers, kills, slowest)


def stop_database(postgres: Postgres, *, stops: int) -> Writes:
    """Have PostgreSQL drop everything at once, as in a crash, and start it again, while models are created (F3)."""
    team, secret = _team("stop-database")
    port, slowest = free_port(), 0.0
    web = _web(port)
    try:
        with _writing(port, secret) as writers:
            for _ in range(stops):
                _acknowledged_since(writers, time.monotonic())
                time.sleep(LET_WRITE_S)
                _crash(postgres)
                time.sleep(2)
                began = time.monotonic()
                postgres.start()
                slowest = max(slowest, _acknowledged_since(writers, began))
    finally:
        os.killpg(web.pid, signal.SIGKILL)
        web.wait()
    connections.close_all()
    return _found(team, writers, stops, slowest)


def fill_artifacts(disk: Path, home: Path) -> FullDisk:
    """Upload files of one megabyte to a small disk until no more are taken, make room, and upload another (F5)."""
    _, secret = _team("full-disk")
    home.mkdir()
    (disk / "ballast").write_bytes(bytes(8_000_000))
    sent = home / "model.bin"
    with _mlflow(disk, secret, home / "log") as client:
        run = client.create_run(client.create_experiment("full-disk")).info
        told, kept, refused = "", 0, 0
        for number in range(20):
            sent.write_bytes(bytes([number]) * 1_000_000)
            try:
                client.log_artifact(run.run_id, str(sent), f"n{number}")
                kept += 1
            except (MlflowException, requests.RequestException) as error:
                refused, told = refused + 1, str(error)
        corrupt = sum(
            file.read_bytes() != bytes([int(file.parent.name[1:])]) * 1_000_000 for file in disk.rglob("model.bin")
        )
        (disk / "ballast").unlink()
        client.log_artifact(run.run_id, str(sent), "after")
        recovered = sum(1 for _ in disk.rglob("after/model.bin")) == 1
    return FullDisk(kept, refused, corrupt, told, recovered)


def _team(name: str) -> tuple[Team, str]:
    team = make_team(name, governed=False)
    return team, make_token(team)[1]


def _web(port: int) -> "subprocess.Popen[bytes]":
    command = ["gunicorn", "controlplane.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "2",
               "--threads", "4", "--no-control-socket", "--log-level", "critical"]  # fmt: skip
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *command], cwd=ROOT, env=os.environ, start_new_session=True, stderr=subprocess.DEVNULL
    )


def _crash(postgres: Postgres) -> None:
    """End the server at once, without a checkpoint; its next start recovers from the log."""
    server = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(server, signal.SIGQUIT)
    until(lambda: not postgres.running_port(), seconds=STARTS_S)


@contextmanager
def _writing(port: int, secret: str) -> Iterator[Writers]:
    writers, over = Writers(), threading.Event()

    def write(caller: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {secret}"}) as client:
            number = 0
            while not over.is_set():
                number += 1
                name = f"m-{port}-{caller}-{number}"
                body = {"name": name, "task": "classification", "purpose": "A fault."}
                try:
                    status = client.post("/api/v1/models", json=body, timeout=30).status_code
                except httpx.TransportError:
                    status = 0
                    time.sleep(0.02)
                writers.answers[status] += 1
                if status == httpx.codes.CREATED:
                    writers.acknowledged.add(name)
                    writers.last_at = time.monotonic()

    threads = [threading.Thread(target=write, args=(caller,), daemon=True) for caller in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _acknowledged_since(writers: Writers, began: float) -> float:
    """Wait until a write was acknowledged after ``began`` and return how long after it that was (s)."""
    until(lambda: writers.last_at > began, seconds=STARTS_S)
    return writers.last_at - began


def _found(team: Team, writers: Writers, faults: int, recovery_s: float) -> Writes:
    there = set(RegisteredModel.objects.filter(team=team).values_list("name", flat=True))
    events = AuditEvent.objects.filter(action="model.create", team=team.slug).values_list("subject", flat=True)
    told = {subject.strip("/").split("/")[-1] for subject in events}
    return Writes(
        len(writers.acknowledged), len(writers.acknowledged - there), len(there ^ told), faults, recovery_s,
        dict(sorted(writers.answers.items())),
    )  # fmt: skip


@contextmanager
def _mlflow(disk: Path, secret: str, log: Path) -> Iterator[MlflowClient]:
    """Run MLflow's process with ``disk`` for its artifacts; yield its stock client."""
    url = f"http://127.0.0.1:{free_port()}"
    mine = {"MLFLOW_URL": url, "ARTIFACT_ROOT": str(disk / "artifacts")}
    spoken: dict[str, Any] = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_TOKEN": secret,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "mlflow_server"],
            cwd=ROOT,
            env=os.environ | mine,
            stdout=output,
            stderr=output,
        )
    before = dict(os.environ)
    os.environ.update(spoken)
    try:
        until(lambda: _answers(f"{url}/health"), seconds=STARTS_S)
        yield MlflowClient(url)
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.terminate()
        server.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.TransportError:
        return False
