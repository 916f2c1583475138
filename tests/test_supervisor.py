"""The supervisor with real processes: what it starts stays up, and nothing stays behind."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from controlplane.embedded import free_port
from controlplane.supervisor.child import Child, Spec
from controlplane.supervisor.config import REPOSITORY, VARIABLES, Config, SetupError, data_folder, server_port
from controlplane.supervisor.plan import Plan
from controlplane.supervisor.presence import MARK, AlreadyRunningError, Presence
from controlplane.supervisor.tether import tethered

SLEEP = "import time; time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"


def child(code, said, **options):
    spec = Spec("part", [sys.executable, "-u", "-c", code], dict(os.environ), **options)
    return Child(spec, line=lambda name, text: said.append(f"{name}: {text}"), say=said.append)


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def run_in_a_loop(coroutine):
    """Run in a thread of its own: a browser of another test may keep an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def test_a_process_that_dies_is_started_again_and_it_is_said():
    said: list[str] = []

    async def scenario():
        part = child(f"import os; print('pid', os.getpid()); {SLEEP}", said)
        part.start()
        await until(lambda: said)
        os.kill(int(said[0].split()[-1]), signal.SIGKILL)
        await until(lambda: len(said) == 3)
        await part.stop()

    run_in_a_loop(scenario())

    assert said[0].startswith("part: pid ")
    assert said[1] == "part ended (signal SIGKILL); it starts again in 1 s"
    assert said[2].startswith("part: pid ")
    assert said[2] != said[0]


def test_stopping_kills_what_ignores_the_signal_and_what_it_started():
    said: list[str] = []
    code = (
        "import subprocess, sys\n"
        f"inner = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"print(inner.pid, flush=True)\n{DEAF}"
    )

    async def scenario():
        part = child(code, said, grace_s=0.3)
        part.start()
        await until(lambda: len(said) == 2)
        began = time.monotonic()
        await part.stop()
        return time.monotonic() - began

    seconds = run_in_a_loop(scenario())

    assert seconds < 2
    run_in_a_loop(until(lambda: gone(int(said[0].split()[-1]))))


def test_a_process_that_keeps_dying_fails_the_start_with_its_last_lines():
    said: list[str] = []

    async def never():
        return False

    async def scenario():
        part = child("print('no such table'); raise SystemExit(3)", said, check=never)
        part.start()
        try:
            await part.until_healthy(30)
        finally:
            await part.stop()

    with pytest.raises(SetupError, match=r"part did not start(.|\n)*no such table"):
        run_in_a_loop(scenario())


def test_a_step_that_fails_is_not_repeated():
    said: list[str] = []

    async def scenario():
        step = child("print('duplicate key'); raise SystemExit(1)", said, once=True, restarts=False)
        step.start()
        await step.until_finished()

    with pytest.raises(SetupError, match="duplicate key"):
        run_in_a_loop(scenario())
    assert said == ["part: duplicate key"]


def test_a_line_without_end_is_passed_on_in_pieces():
    said: list[str] = []

    async def scenario():
        step = child("print('x' * 100_000)", said, once=True)
        step.start()
        await step.until_finished()

    run_in_a_loop(scenario())

    assert "".join(line.removeprefix("part: ") for line in said) == "x" * 100_000


def test_a_tethered_process_is_told_when_its_parent_is_killed(tmp_path):
    told = tmp_path / "told"
    inner = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGINT, lambda *_: (pathlib.Path({str(told)!r}).touch(), sys.exit()))\n"
        "print('up', flush=True)\ntime.sleep(60)"
    )
    outer = (
        "import signal, subprocess, sys, time\n"
        "from controlplane.supervisor.tether import tethered\n"
        f"subprocess.Popen(tethered([sys.executable, '-c', {inner!r}], stop_signal=signal.SIGINT))\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"

    parent.kill()
    parent.wait()

    run_in_a_loop(until(told.exists))


def test_a_command_does_not_start_when_its_parent_is_already_gone():
    command = tethered([sys.executable, "-c", "print('started')"])
    command[4] = "1"  # as if the process that asked had died and init had taken over

    done = subprocess.run(command, capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (1, b"")


def test_one_supervisor_at_a_time(tmp_path):
    with Presence(tmp_path) as first:
        first.tell(state="ready", web="http://127.0.0.1:8000")
        with pytest.raises(AlreadyRunningError) as refused, Presence(tmp_path):
            pass

    assert refused.value.state["web"] == "http://127.0.0.1:8000"
    assert Presence(tmp_path).state() == {}


def test_the_next_start_ends_what_a_killed_supervisor_left_and_nothing_else(tmp_path):
    command = [sys.executable, "-c", SLEEP]
    with Presence(tmp_path) as presence:
        mark = presence.mark
    left = subprocess.Popen(command, env={**os.environ, MARK: mark})
    foreign = subprocess.Popen(command, env={**os.environ, MARK: "another demo's"})

    with Presence(tmp_path):
        left_ended, foreign_ended = left.poll() is not None, foreign.poll() is not None

    foreign.kill()
    assert (left_ended, foreign_ended) == (True, False)


def test_a_recycled_process_number_is_never_signalled(tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", SLEEP])
    with Presence(tmp_path):
        pass
    (tmp_path / "run/state.json").write_text(json.dumps({"pid": bystander.pid, "state": "ready"}))

    stopped = Presence(tmp_path).stop_holder()

    assert (stopped, bystander.poll()) == (False, None)
    bystander.kill()


def config_of(var, **given):
    ports = {name: str(free_port()) for name in ("WEB_PORT", "MLFLOW_PORT", "GATEWAY_PORT")}
    return Config.from_environment({**ports, **given}, var=var)


def test_a_taken_port_is_explained_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = config_of(tmp_path, WEB_PORT=str(port))
        with pytest.raises(SetupError) as refused:
            config.check_ports()

    assert str(refused.value).startswith(f"Port {port} for web is taken by another process; choose another: WEB_PORT=")
    assert "\n" not in str(refused.value)


def test_an_embedded_server_moves_out_of_the_way_unless_its_port_was_chosen(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setitem(VARIABLES, "POSTGRES_PORT", (port, ""))
        by_default = server_port({}, "POSTGRES_PORT")
        chosen = server_port({"POSTGRES_PORT": port}, "POSTGRES_PORT")

    assert by_default != int(port)
    assert chosen == int(port)


@pytest.mark.parametrize("given", [{"WEB_PORT": "http"}, {"WEB_PORT": "70000"}, {"DATABASE_URL": "postgresql://x"}])
def test_a_variable_that_makes_no_sense_is_named(tmp_path, given):
    with pytest.raises(SetupError, match=next(iter(given))):
        config_of(tmp_path, **given)


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(SetupError, match="holds other things"):
        data_folder({"VAR_DIR": str(tmp_path)})


def test_only_the_migration_holds_the_owners_password(tmp_path):
    config = config_of(tmp_path)
    plan = Plan(config, mark={})

    assert plan.provision().environment["DATABASE_OWNER_URL"] == config.owner_url
    password = config.owner_url.split(":")[2].split("@")[0]
    for spec in [plan.seed(), *plan.processes(), *plan.visitors()]:
        assert not [name for name, value in spec.environment.items() if password in value], spec.name


def test_the_gateway_holds_no_secret(tmp_path):
    config = config_of(tmp_path)
    [gateway] = [spec for spec in Plan(config, mark={}).processes() if spec.name == "gateway"]

    assert not {"SECRET_KEY", "DATABASE_URL", "BROKER_URL"} & gateway.environment.keys()


def test_secrets_are_made_once_and_readable_by_their_owner_alone(tmp_path):
    first = config_of(tmp_path)
    first.write_env_file()
    again = config_of(tmp_path)

    assert first.settings()["SECRET_KEY"] == again.settings()["SECRET_KEY"]
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in kept} >= {"demo.env", "secret-key"}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_manage_py_beside_the_demo_reads_its_settings(tmp_path):
    odd = tmp_path / 'a "quoted" place'
    config = config_of(odd)
    config.write_env_file()
    code = "from controlplane import settings as s; print(s.DEPLOYMENT, s.WEB_URL, s.ARTIFACT_ROOT, 'owner' in s.DATABASES)"

    done = subprocess.run(
        [sys.executable, "-c", code], env={"VAR_DIR": str(odd), "PATH": os.environ["PATH"]}, cwd=REPOSITORY,
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == f"demo {config.url('web')} {odd}/artifacts False"


def test_reset_asks_first(tmp_path):
    var = tmp_path / "var"
    with Presence(var):
        pass

    def reset(**given):
        command = [sys.executable, "-m", "controlplane.supervisor", "reset"]
        return subprocess.run(
            command, env={"VAR_DIR": str(var), **given}, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    asked = reset()
    kept = var.exists()
    answered = reset(YES="1")

    assert (asked.returncode, kept) == (1, True)
    assert "Nothing was deleted" in asked.stdout
    assert (answered.returncode, var.exists()) == (0, False)
