"""How fast the MLflow protocol answers beside MLflow's own server, with 10,000 models and 125,000 versions.

Both servers run in one process each on the same PostgreSQL, in databases of their own that hold the same content, and are
sent the same requests in turn, over connections that stay open, as MLflow's client does: three rounds, of which the median of
medians counts. MLflow's server authenticates nobody; ours authenticates and audits. Ratios are MLflow's milliseconds by ours.
"""

import hashlib
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import requests

from benchmarks.catalogue import ROOT, Home, execute, insert, installation
from benchmarks.report import Row, arguments, finish
from controlplane.embedded import OWNER_ROLE, free_port

MODELS = 10_000
BIG, BIG_VERSIONS = "model-000000", 20_000  # the other models have 10 or 11 versions, the one called SMALL 20
SMALL = "model-000020"
ROUNDS = 3
# model n: name, number of versions; versions v: run, tags, times that differ
CONTENT = """
    CREATE TEMPORARY TABLE model AS SELECT n, 'model-' || lpad(n::text, 6, '0') AS name, CASE
            WHEN n = 0 THEN 20000 WHEN n = 20 THEN 20 WHEN n % 2 = 1 THEN 11 ELSE 10 END AS versions,
        now() - (20000 - n) * interval '1 minute' AS at FROM generate_series(0, 9999) n;
    CREATE TEMPORARY TABLE version AS SELECT n, name, v, md5(name || '/' || v) AS run,
        at + v * interval '1 second' + n * interval '1 millisecond' AS at FROM model, generate_series(1, versions) v;
"""
PEER = """
    INSERT INTO registered_models (workspace, name, creation_time, last_updated_time, description)
    SELECT 'default', name, 1000 * extract(epoch FROM at), 1000 * extract(epoch FROM at), 'Decides case ' || n FROM model;
    INSERT INTO registered_model_tags (workspace, name, key, value)
    SELECT 'default', name, key, CASE key WHEN 'domain' THEN 'domain-' || n % 20 ELSE 'squad-' || n % 200 END
    FROM model, unnest(ARRAY['domain', 'owner']) key;
    INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time, description, user_id,
        current_stage, source, storage_location, run_id, run_link, status)
    SELECT 'default', name, v, 1000 * extract(epoch FROM at), 1000 * extract(epoch FROM at), '', NULL, 'None',
        'runs:/' || run || '/model', 'runs:/' || run || '/model', run, '', 'READY' FROM version;
    INSERT INTO model_version_tags (workspace, name, version, key, value)
    SELECT 'default', name, v, key, CASE key WHEN 'data' THEN 'data-' || (n + v) % 50 ELSE 'build-' || v END
    FROM version, unnest(ARRAY['data', 'build']) key;
    INSERT INTO registered_model_aliases (workspace, name, alias, version) SELECT 'default', name, 'champion', 1 FROM model;
"""


@dataclass(frozen=True)
class Measure:
    """One request, as MLflow's stock client sends it, and the least ratio that it has to reach; ``why`` where it may not."""

    name: str
    method: str
    path: str
    params: Callable[["Side"], dict[str, object]]
    least: float = 0.95
    repeats: int = 9
    why: str = ""


@dataclass
class Side:
    """One of the two servers, and a run of its own to register versions from."""

    url: str
    session: requests.Session
    run_id: str = ""
    turn: int = 0

    def version(self) -> str:
        """Return another version than the last time, so that each alias move is one."""
        self.turn += 1
        return str(1 + self.turn % 10)

    def send(self, measure: Measure) -> None:
        """Send one request and read the whole answer."""
        asked = measure.params(self)
        form = {"params": asked} if measure.method == "GET" else {"json": asked}
        answer = self.session.request(measure.method, f"{self.url}/api/2.0/mlflow/{measure.path}", **form)  # type: ignore[arg-type]
        if answer.status_code != 200:
            raise RuntimeError(f"{measure.name}: {answer.status_code} {answer.text[:300]}")


def _search(what: str, text: str = "") -> tuple[str, str, Callable[[Side], dict[str, object]]]:
    asked: dict[str, object] = {"max_results": 100} | ({"filter": text} if text else {})
    return "GET", f"{what}/search", lambda side: asked


def _get(name: str) -> tuple[str, str, Callable[[Side], dict[str, object]]]:
    return "GET", "registered-models/get", lambda side: {"name": name}


def _alias(name: str) -> tuple[str, str, Callable[[Side], dict[str, object]]]:
    return (
        "POST", "registered-models/alias",
        lambda side: {"name": name, "alias": "challenger", "version": side.version()},
    )  # fmt: skip


def _run(n: int, v: int) -> str:
    return hashlib.md5(f"model-{n:06d}/{v}".encode(), usedforsecurity=False).hexdigest()


WHY = "performance.md#aliases-and-models-with-many-versions"
MEASURES = [
    Measure("models_page", *_search("registered-models"), 4.0),
    Measure("models_by_tag", *_search("registered-models", "tags.domain = 'domain-7'")),
    Measure("model_get", *_get("model-000777")),
    Measure("versions_by_name", *_search("model-versions", "name = 'model-000777'")),
    Measure("versions_by_run", *_search("model-versions", f"run_id = '{_run(778, 3)}'")),
    Measure("versions_by_tag", *_search("model-versions", "tags.data = 'data-7'")),
    Measure("versions_page", *_search("model-versions")),
    Measure(
        "version_create", "POST", "model-versions/create",
        lambda s: {"name": "model-000779", "source": f"runs:/{s.run_id}/model", "run_id": s.run_id},
    ),
    Measure("alias_set", *_alias("model-000780"), why=WHY),
    Measure(
        "alias_get", "GET", "registered-models/alias", lambda s: {"name": "model-000781", "alias": "champion"}
    ),
    Measure("get_20k", *_get(BIG), 20.0),
    Measure("alias_set_20k", *_alias(BIG), 20.0),
    Measure("get_20", *_get(SMALL), 0.0),
]  # fmt: skip


def main() -> None:
    """Fill, measure, print."""
    options = arguments(__doc__ or "")
    share = 3 if options.quick else 1
    with ExitStack() as stack:
        home = stack.enter_context(installation())
        secret = _fill_ours(home)
        os.environ |= {"MLFLOW_TRACKING_TOKEN": secret, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        peer, ours = stack.enter_context(_peer(home)), stack.enter_context(_ours(home))
        times = _measure(peer, ours, share)
    rows = []
    for m in MEASURES:
        theirs, own = times[m.name]
        if m.least:
            rows.append(Row(f"ratio.{m.name}", theirs / own, "x", ("≥", m.least), m.why))
        rows += [Row(f"ms.{m.name}.mlflow", theirs, "ms"), Row(f"ms.{m.name}.ours", own, "ms")]
    rows.append(Row("flat.get_20k", times["get_20k"][1] / times["get_20"][1], "x", ("≤", 1.3), WHY))
    finish(sorted(rows, key=lambda row: row.target is None), options.json)


def _fill_ours(home: Home) -> str:
    """Write the content as this product keeps it; return the secret of an engineer's token."""
    from django.contrib.auth.models import User

    from registry import services
    from registry.models import Alias, ModelTag, ModelVersion, RegisteredModel, Role, Team, VersionTag

    team = Team.objects.create(slug="bench", name="Bench")
    user = User.objects.create_user("engineer")
    services.team_join(actor=None, team=team, user=user, role=Role.ENGINEER, process="bench")
    _, secret = services.token_create(
        actor=None, user=user, team=team, name="bench", scopes=["read", "write"], process="bench"
    )
    by, versions = str(user.pk), "FROM version JOIN registry_registeredmodel m USING (name)"
    of_version = f"{versions} JOIN registry_modelversion k ON k.model_id = m.id AND k.number = v"
    contributors = ModelVersion.contributors.through
    execute(
        home.postgres,
        CONTENT,
        insert(
            RegisteredModel, "FROM model", team_id=str(team.pk), name="name", description="'Decides case ' || n",
            last_number="versions", created_by_id=by, created_at="at", updated_at="at",
        ),
        insert(
            ModelTag, "FROM model JOIN registry_registeredmodel m USING (name), unnest(ARRAY['domain', 'owner']) key",
            model_id="m.id", key="key",
            value="CASE key WHEN 'domain' THEN 'domain-' || n % 20 ELSE 'squad-' || n % 200 END",
        ),
        insert(
            ModelVersion, versions, model_id="m.id", number="v", source="'runs:/' || run || '/model'", run_id="run",
            created_by_id=by, created_at="version.at", updated_at="version.at",
        ),
        insert(contributors, "FROM registry_modelversion k", modelversion_id="k.id", user_id=by),
        insert(
            VersionTag, f"{of_version}, unnest(ARRAY['data', 'build']) key", version_id="k.id", key="key",
            value="CASE key WHEN 'data' THEN 'data-' || (n + v) % 50 ELSE 'build-' || v END",
        ),
        insert(
            Alias, "FROM registry_modelversion k WHERE k.number = 1", model_id="k.model_id", name="'champion'",
            version_id="k.id", set_by_id=by,
        ),
    )  # fmt: skip
    return secret


@contextmanager
def _peer(home: Home) -> Iterator[Side]:
    """Start MLflow's own server on a database of its own: it makes its tables, which are then filled."""
    with closing(psycopg2.connect(home.postgres.url(OWNER_ROLE, "postgres"))) as connection:
        connection.autocommit = True
        connection.cursor().execute("CREATE DATABASE peer")
    database = home.postgres.url(OWNER_ROLE, "peer").replace("postgresql:", "postgresql+psycopg2:")
    folder = home.folder / "peer"
    folder.mkdir()
    command = ["server", "--backend-store-uri", database, "--artifacts-destination", str(folder), "--workers", "1"]
    switches = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _serving([sys.executable, "-m", "mlflow", *command], switches, home.folder / "peer.log") as side:
        execute(home.postgres, CONTENT, PEER, database="peer")
        yield side


@contextmanager
def _ours(home: Home) -> Iterator[Side]:
    with _serving([sys.executable, "manage.py", "mlflow_server"], {}, home.folder / "ours.log") as side:
        yield side


@contextmanager
def _serving(command: list[str], environment: dict[str, str], log: Path) -> Iterator[Side]:
    """Run a server on a free port and yield a client of it once it answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            [*command, "--host", "127.0.0.1", "--port", str(port)], cwd=ROOT, env=os.environ | environment,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(url, process, log)
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"
            yield Side(url, session)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # MLflow's command line has a child that serves
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"{url}/health").close()  # noqa: S310  our own server on 127.0.0.1
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"a server did not start: {log.read_text()[-3000:]}")


def _measure(peer: Side, ours: Side, share: int) -> dict[str, tuple[float, float]]:
    """Return milliseconds of both by measure: the median over the rounds of each round's median."""
    from mlflow import MlflowClient

    for side in (peer, ours):
        client = MlflowClient(side.url)
        side.run_id = client.create_run(client.create_experiment("bench")).info.run_id
    rounds: dict[str, list[tuple[float, float]]] = {m.name: [] for m in MEASURES}
    for number in range(ROUNDS + 1):  # the first warms up, and does not count
        for m in MEASURES:
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(m.repeats // share if number else 2):
                for side, kept in zip((peer, ours), times, strict=True):
                    began = time.perf_counter()
                    side.send(m)
                    kept.append((time.perf_counter() - began) * 1000)
            if number:
                rounds[m.name].append((statistics.median(times[0]), statistics.median(times[1])))
    return {
        name: (statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs))
        for name, pairs in rounds.items()
    }


if __name__ == "__main__":
    main()
