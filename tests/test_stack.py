"""The two commands' promises, on the whole product."""

import os
import signal
import time

import psutil
import pytest

from tests.stack import answer

pytestmark = pytest.mark.stack


def test_every_process_answers(stack):
    described = stack.description

    assert answer(f"{described['web']}/health/") == (200, {"database": "ok", "broker": "ok"})
    assert answer(f"{described['gateway']}/v2/health/ready")[0] == 200
    assert psutil.Process(process_named(stack, "mlflow_server").pid).is_running()


def test_the_description_for_scripts_is_complete_and_private(stack):
    described = stack.description

    assert sorted(described) == ["gateway", "mlflow", "models", "users", "web"]
    assert list(described["users"]) == ["engineer", "product", "approver", "admin", "viewer", "sandbox"]
    assert {tuple(user) for user in described["users"].values()} == {("password", "token")}
    assert (stack.var / "demo.json").stat().st_mode & 0o777 == 0o600
    assert stack.infer()[1]["outputs"][0]["shape"] == [1]


@pytest.mark.parametrize("person", ["engineer", "product", "approver", "admin", "viewer", "sandbox"])
def test_everybody_gets_in_by_token_and_sees_their_team_alone(stack, person):
    status, _ = stack.api(person, "GET", "/models/flight-delay")

    assert status == (404 if person == "sandbox" else 200)


def test_a_second_start_says_that_it_runs(stack):
    again = stack.supervisor("demo")

    assert again.returncode == 0
    assert again.stdout.count("\n") == 1
    assert f"The demo runs: web {stack.web}" in again.stdout


def test_no_process_holds_the_schema_owners_password(stack):
    password = (stack.var / "postgres/controlplane_owner.secret").read_text()

    holders = [p.cmdline() for p in stack.processes() if password in " ".join([*p.environ().values(), *p.cmdline()])]

    assert len(stack.processes()) >= 8
    assert holders == []


def test_a_process_that_is_killed_comes_back(stack):
    before = process_named(stack, "serving.gateway").pid

    os.kill(before, signal.SIGKILL)

    stack.until(lambda: stack.infer()[0] == 200, seconds=60, what="the gateway to come back")
    assert process_named(stack, "serving.gateway").pid != before
    assert "gateway ended (signal SIGKILL); it starts again in" in stack.log()


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_keeps_the_data(stack):
    supervisor = psutil.Process(process_named(stack, "serving.gateway").ppid())
    supervisor.kill()
    supervisor.wait()
    stack.until(lambda: not stack.processes(), seconds=30, what="the processes to follow their supervisor")

    began = time.monotonic()
    started = stack.supervisor("demo", "--detach")
    seconds = time.monotonic() - began

    assert "The first model is at " in started.stdout
    assert stack.api("viewer", "GET", "/models/flight-delay")[0] == 200
    assert stack.until(lambda: stack.infer()[0] == 200, seconds=20, what="the champion to serve again")
    assert seconds < 120  # a quiet machine needs a tenth of it


def process_named(stack, part):
    [process] = [p for p in stack.processes() if part in " ".join(p.cmdline())]
    return process
