"""From a commit to the gateways' answers in real processes: web, a worker for what follows changes, and two gateways, one that
reads the file and one that follows the web process. No schedule runs here, so all of it is push."""

import os
import subprocess
import sys
import time

import httpx
import msgspec
import pytest
from django.utils import timezone

from controlplane.embedded import free_port
from registry import services
from registry.models import Role
from rollouts.gateways.callers import callers_publish
from rollouts.gateways.tokens import gateway_token_create
from rollouts.routing import routing_publish
from serving.contract import read_table
from tests.factories import make_model, make_team, make_user
from tests.gateways import ROOT, RunningGateway, probability
from tests.test_routing import make_served

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 60  # a cap for loaded machines; the figures are printed


@pytest.fixture
def processes(tmp_path, settings):
    """The web process as the product starts it, and a worker; return the web's address."""
    environment = os.environ | {
        "VAR_DIR": str(settings.VAR_DIR), "ROUTING_TABLE_PATH": str(settings.ROUTING_TABLE_PATH),
        "ARTIFACT_ROOT": str(settings.ARTIFACT_ROOT), "SPOOL_ROOT": str(settings.SPOOL_ROOT),
    }  # fmt: skip
    port, queue = free_port(), "control"
    commands = [
        ["gunicorn", "controlplane.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "1",
         "--threads", "8", "--graceful-timeout", "2", "--no-control-socket"],
        ["celery", "-A", "controlplane", "worker", "--pool", "threads", "--concurrency", "2", "--queues", queue,
         "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"],
    ]  # fmt: skip
    log = (tmp_path / "processes.log").open("ab")
    started = [
        subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=log, stderr=log)
        for command in commands
    ]
    yield f"http://127.0.0.1:{port}"
    for process in started:
        process.terminate()
    for process in started:
        process.wait(timeout=60)
    log.close()


@pytest.fixture
def gateways(tmp_path, processes, settings):
    """One gateway of this host and one of another, which has its own disk and knows the web process alone."""
    _, secret = gateway_token_create(name="far", process="test")
    near = RunningGateway(tmp_path, GATEWAY_AUTH="required")
    far = RunningGateway(
        tmp_path / "far", GATEWAY_AUTH="required", ROUTING_URL=processes, ROUTING_TOKEN=secret, GATEWAY_WORKERS="2"
    )
    assert near.table_path == settings.ROUTING_TABLE_PATH
    (tmp_path / "far").mkdir()
    both = {"file": near, "endpoint": far}
    for gateway in both.values():
        gateway.start(ready=False)
    yield both
    for gateway in both.values():
        gateway.stop()


def follow(gateways, what, so, report):
    """Wait until each gateway is as wanted; print how long it took."""
    began, waiting, took = time.monotonic(), dict(gateways), {}
    while waiting:
        for way, gateway in list(waiting.items()):
            if so(gateway):
                took[way] = time.monotonic() - began
                del waiting[way]
        assert time.monotonic() - began < SECONDS, f"{what}: {sorted(waiting)} did not follow"
    for way, seconds in took.items():
        report(f"{what} by {way}, s", round(seconds, 3))
        print(f"{what} by {way}: {seconds:.3f} s")  # noqa: T201  a figure for the reader of the log


def test_changes_reach_gateways_by_file_and_by_endpoint(gateways, processes, record_property, tmp_path):  # T17
    team = make_team("sandbox", governed=False)
    model = make_model(team, name="flight-delay")
    first, second = make_served(model, trees=20), make_served(model, trees=5)
    person = make_user(team, Role.ADMIN)
    _, key = services.token_create(
        actor=None, user=person, team=team, name="x", scopes=["read", "write", "predict"], process="test"
    )
    api = httpx.Client(base_url=f"{processes}/api/v1/", headers={"Authorization": f"Bearer {key}"}, timeout=60)
    wait_for(lambda: reached(f"{processes}/health/"))

    def champion(version):
        answer = api.put("models/flight-delay/aliases/champion", json={"version": version.number})
        assert answer.status_code in (200, 201), answer.text

    def served(gateway, version):
        answer = gateway.infer(Authorization=f"Bearer {key}")
        if answer.status_code != 200:
            return False
        expected = probability(trees={first.number: 20, second.number: 5}[int(answer.json()["model_version"])])
        assert answer.json()["outputs"][0]["data"] == [expected]
        return answer.json()["model_version"] == str(version.number)

    assert api.put("models/flight-delay/aliases/next", json={"version": second.number}).status_code in (200, 201)
    champion(first)
    follow(gateways, "first table", lambda gateway: served(gateway, first), record_property)
    for gateway in gateways.values():
        gateway.wait_for("/status", lambda answer: len(answer.json()["models"]["flight-delay"]["loaded"]) == 2)

    champion(second)
    follow(gateways, "new champion", lambda gateway: served(gateway, second), record_property)
    champion(first)
    follow(gateways, "champion before", lambda gateway: served(gateway, first), record_property)

    made = api.post("tokens", json={"name": "shop", "scopes": ["predict"]}).json()
    ask = {"Authorization": f"Bearer {made['secret']}"}
    follow(gateways, "new token", lambda g: g.infer(**ask).status_code == 200, record_property)
    assert api.delete(f"tokens/{made['id']}").status_code in (200, 204)
    follow(gateways, "revoked token", lambda g: g.infer(**ask).status_code == 401, record_property)
    assert all(gateway.infer(Authorization=f"Bearer {key}").status_code == 200 for gateway in gateways.values())

    # The database goes back a day: the other host's disk alone has what was published since.
    far, ahead = gateways["endpoint"], 100
    forgotten = read_table(far.table_path)
    far.admit(version=ahead)  # first: with a newer table comes whatever list is published beside it
    far.wait_for("/status", lambda answer: answer.json()["callers"]["version"] == ahead)
    far.publish(msgspec.structs.replace(forgotten, version=ahead, published_at="2026-11-26T12:00:00+00:00"))

    def publisher_runs(gateway):  # as its schedule has it each second
        callers_publish(now=timezone.now())
        routing_publish(now=timezone.now())
        told = gateway.status()
        return min(told["table"]["version"], told["callers"]["version"]) > ahead

    follow({"endpoint": far}, "numbers beyond the forgotten", publisher_runs, record_property)
    champion(second)
    follow({"endpoint": far}, "champion after the restore", lambda gateway: served(gateway, second), record_property)


def wait_for(so):
    deadline = time.monotonic() + SECONDS
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def reached(url):
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
