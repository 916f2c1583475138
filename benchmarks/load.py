"""A server in a process of its own on one core, load on the other, and what both cost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.catalogue import ROOT

SERVER_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 16
STARTS_WITHIN_S = 180


@dataclass(frozen=True)
class Load:
    """What one run of load saw, and what it cost the server: times in microseconds."""

    answers: int
    per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float  # of the server, for each answer


@dataclass
class Server:
    """A running server of the model, and how it is asked."""

    name: str
    process: "subprocess.Popen[bytes]"
    port: int
    path: str
    body: Path
    token: str = ""
    loads: list[Load] = field(default_factory=list)
    answered: int = 0  # with 200, as callers saw it
    cut: int = 0  # requests under way when a run of wrk ended: answered perhaps, but not waited for

    def ask(self, body: Path | None = None, *, token: str | None = None) -> tuple[int, bytes]:
        """Send one request; return the answer's status and body."""
        headers = {"Content-Type": "application/json"}
        if token or self.token:
            headers["Authorization"] = f"Bearer {token or self.token}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}", (body or self.body).read_bytes(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                self.answered += answer.status == 200
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def wrk(self, seconds: float, body: Path | None = None, *, connections: int = CONNECTIONS) -> Load:
        """Ask as fast as it answers, over connections that stay open.

        Raises:
            RuntimeError: an answer was no 200.
        """
        command = [
            "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(ROOT / "benchmarks/load.lua"),
            f"http://127.0.0.1:{self.port}{self.path}", "--", str(body or self.body), self.token,
        ]  # fmt: skip
        before = self._cpu_s()
        done = subprocess.run(["taskset", "-c", LOAD_CORE, *command], check=True, capture_output=True, text=True)  # noqa: S603, S607
        spent = self._cpu_s() - before
        seen = json.loads(done.stdout.strip().splitlines()[-1])
        if seen["refused"] or seen["failed"]:
            raise RuntimeError(f"{self.name}: {seen['refused']} refused, {seen['failed']} failed of {seen['requests']}")
        self.answered += seen["requests"]
        self.cut += connections
        return Load(
            seen["requests"], seen["requests"] / seen["seconds"], seen["p50_us"], seen["p99_us"],
            spent * 1e6 / seen["requests"],
        )  # fmt: skip

    def open_loop(self, rate: float, seconds: float) -> dict[str, float]:
        """Ask at a fixed rate whatever comes back; return the quantiles of the latency."""
        command = [
            sys.executable, "-m", "benchmarks.openloop", str(self.port), self.path, str(self.body), self.token,
            f"{rate:.0f}", f"{seconds:g}",
        ]  # fmt: skip
        done = subprocess.run(  # noqa: S603
            ["taskset", "-c", LOAD_CORE, *command], check=True, capture_output=True, text=True, cwd=ROOT  # noqa: S607
        )  # fmt: skip
        seen: dict[str, float] = json.loads(done.stdout)
        if seen["refused"]:
            raise RuntimeError(f"{self.name}: {seen['refused']} of {seen['requests']} refused at a fixed rate")
        self.answered += int(seen["requests"])
        return seen

    def rss_mb(self) -> float:
        """Return the resident memory of the server and its children."""
        return sum(p.memory_info().rss for p in self._processes()) / 2**20

    def _cpu_s(self) -> float:
        return sum(sum(p.cpu_times()[:2]) for p in self._processes())

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


def need_wrk() -> None:
    """Install Debian's ``wrk`` where that is possible; else say what is missing and end."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "wrk"], check=False)  # noqa: S607
    if not shutil.which("wrk"):
        sys.exit("This benchmark needs wrk: sudo apt-get install wrk")


@contextmanager
def serving(
    name: str, command: Sequence[str], *, port: int, path: str, body: Path, log: Path, environment: Mapping[str, str],
    token: str = "", cores: str = SERVER_CORE, folder: Path = ROOT,
) -> Iterator[Server]:  # fmt: skip
    """Run a server on its core and yield it once it answers the body with 200."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            ["taskset", "-c", cores, *command], env=dict(environment), cwd=folder, stdout=output, stderr=output,  # noqa: S607
            start_new_session=True,
        )  # fmt: skip
    server = Server(name, process, port, path, body, token)
    try:
        _wait(server, log)
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait(server: Server, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            status, _ = server.ask()
            if status == 200:
                return
        if server.process.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError(f"{server.name} did not start: {log.read_text(errors='replace')[-3000:]}")
