"""The whole product under its supervisor, once a session, on ports and data of its own, with a thinner data set."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane.embedded import free_port
from controlplane.supervisor.config import REPOSITORY, VARIABLES
from controlplane.supervisor.presence import Presence

FIRST_CHAMPION_S = 480  # on a loaded machine; a quiet one needs a minute
REDUCED = {"DEMO_KEEP_ONE_IN": "2", "DEMO_TRAFFIC_RATE": "5", "DEMO_FAMILIES": "0"}


def pytest_collection_modifyitems(items):
    """Begin with the tests of the whole product: they take longest, and one process has them all."""
    items.sort(key=lambda item: item.get_closest_marker("stack") is None)


@dataclass(frozen=True)
class Stack:
    """One running product."""

    var: Path
    environment: dict[str, str]

    def supervisor(self, *command, check=True, **given):
        """Run one of the supervisor's commands, as `make` does."""
        return subprocess.run(
            [sys.executable, "-m", "controlplane.supervisor", *command], cwd=REPOSITORY, stdin=subprocess.DEVNULL,
            env=self.environment | given, capture_output=True, text=True, check=check, timeout=FIRST_CHAMPION_S,
        )  # fmt: skip

    @property
    def description(self):
        """`var/demo.json`, as it is now."""
        return json.loads((self.var / "demo.json").read_text())

    @property
    def web(self):
        return self.description["web"]

    def password(self, person):
        return self.description["users"][person]["password"]

    def token(self, person):
        return self.description["users"][person]["token"]

    def processes(self):
        """Return the live processes of this product, without the supervisor."""
        return Presence(self.var).processes()

    def log(self):
        return (self.var / "logs/demo.log").read_text()

    def until(self, condition, *, seconds, what):
        """Wait until ``condition`` holds and return what it gave."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            waited = what() if callable(what) else what
            assert time.monotonic() < deadline, f"waited {seconds} s for {waited}\n{self.log()[-3000:]}"
            time.sleep(0.2)
        return found

    def api(self, person, method, path, body=None):
        """Ask the API as one of the demo's people; return status and answer."""
        return answer(f"{self.web}/api/v1{path}", method, body, Authorization=f"Bearer {self.token(person)}")

    def infer(self, model="flight-delay"):
        """Send the gateway the request that the description names; return status and answer."""
        body = next((m["infer"] for m in self.description["models"] if m["name"] == model), None)
        return answer(f"{self.description['gateway']}/v2/models/{model}/infer", "POST", body) if body else (0, None)


def answer(url, method="GET", body=None, **headers):
    """Return the status and the JSON of an answer; 0 where there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return response.status, json.loads(response.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or "null")
    except OSError:
        return 0, None


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """The product with its first champion serving; the story goes on meanwhile to a second version."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    ports = {name: str(free_port()) for name in VARIABLES if name.endswith("_PORT")}
    var = tmp_path_factory.mktemp("stack") / "var"
    product = Stack(var, {**kept, **ports, **REDUCED, "VAR_DIR": str(var)})
    started = product.supervisor("demo", "--detach", check=False)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        product.until(lambda: product.infer()[0] == 200, seconds=FIRST_CHAMPION_S, what="the first champion to serve")
        yield product
        product.supervisor("stop")
        assert product.processes() == []
    finally:
        product.supervisor("reset", YES="1")
