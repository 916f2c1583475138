"""Small trained models as artifacts, and a gateway process that serves them."""

import functools
import hashlib
import logging
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import lightgbm
import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from controlplane.embedded import free_port
from serving.contract import (
    CHAMPION,
    Arm,
    CallerList,
    Column,
    File,
    Route,
    RoutingTable,
    Version,
    callers_path,
    manifest_digest,
    write_callers,
    write_table,
)
from serving.exchange import Received

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request

ROOT = Path(__file__).parent.parent
COLUMNS = [
    Column("carrier", "string", categories=["AA", "B6", "UA"]),
    Column("distance", "double", required=False),
    Column("hour", "long"),
    Column("wet", "boolean"),
]
ROW = {"carrier": "AA", "distance": 0.5, "hour": 17, "wet": True}
DATATYPE = {"carrier": "BYTES", "distance": "FP64", "hour": "INT64", "wet": "BOOL"}


@functools.cache
def flights(rows=400) -> tuple[pd.DataFrame, pd.Series]:
    """Rows of a frame as a training job holds it: categories unsorted at first sight, some values missing."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame({
        "carrier": pd.Categorical(random.choice(["UA", "AA", "B6"], rows)),
        "distance": random.normal(size=rows),
        "hour": random.integers(0, 24, rows),
        "wet": random.random(rows) > 0.5,
    })  # fmt: skip
    late = (frame.carrier == "AA") * 1.0 + frame.distance + frame.hour / 12 + random.normal(size=rows) > 1.5
    frame.loc[::7, "distance"] = np.nan
    return frame, late.astype(int)


def as_columns(frame) -> list[list]:
    """The frame's values as a request holds them."""
    return [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in frame]


@functools.cache
def boosted(trees=20) -> lightgbm.Booster:
    rows, late = flights()
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train(settings, lightgbm.Dataset(rows, late), trees)


@functools.cache
def pipeline() -> Pipeline:
    rows, late = flights()
    numbers = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())])
    prepare = ColumnTransformer(
        [("text", OneHotEncoder(handle_unknown="ignore"), ["carrier"]), ("numbers", numbers, ["distance", "hour"])],
        remainder="passthrough",
    )
    return Pipeline([("prepare", prepare), ("model", LogisticRegression())]).fit(rows, late)


def make_artifact(folder, name, data, *, number=1, format_name="lightgbm", columns=COLUMNS, extra=()) -> Version:
    """Write an artifact's files and return the version as the routing table would list it."""
    contents = {name: data, **dict(extra)}
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    manifest = [File(path, len(c), hashlib.sha256(c).hexdigest()) for path, c in contents.items()]
    return Version(number, format_name, str(folder), name, manifest_digest(manifest), manifest, columns)


def make_boosted(folder, number=1, trees=20) -> Version:
    return make_artifact(folder / f"v{number}", "model.lgb", boosted(trees).model_to_string().encode(), number=number)


def make_pipeline(folder, number=1) -> Version:
    data = skops.io.dumps(pipeline())
    return make_artifact(folder / f"v{number}", "model.skops", data, number=number, format_name="skops")


def make_route(*versions, model="flight-delay", model_id=1, arms=None, aliases=None) -> Route:
    champion = versions[0].number
    return Route(
        model, model_id, "classification", f"model-{model_id}", arms or [Arm(CHAMPION, champion, 10_000)],
        aliases or {CHAMPION: champion}, list(versions),
    )  # fmt: skip


def make_table(*routes, version=1) -> RoutingTable:
    return RoutingTable(version, "2026-11-25T12:00:00+00:00", list(routes))


def infer_body(row=ROW, **more) -> dict:
    """One row as one tensor a column."""
    tensors = [{"name": name, "shape": [1], "datatype": DATATYPE[name], "data": [value]} for name, value in row.items()]
    return {"inputs": tensors, **more}


def received(headers, body, at, started_ns) -> Received:
    """What a connection hands on of a request for a prediction."""
    return Received(b"POST", b"", headers, body, at, started_ns, None, None)


def probability(row=ROW, trees=20) -> float:
    """What LightGBM's own Python package answers for one row."""
    frame = pd.DataFrame([row]).astype({"distance": float})
    frame["carrier"] = pd.Categorical(frame["carrier"], categories=["AA", "B6", "UA"])
    return float(boosted(trees).predict(frame)[0])


class RunningGateway:
    """A gateway in a process of its own."""

    def __init__(self, home, **environment):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.table_path = home / "routing/table.json"
        self.spool_root = home / "spool"
        self.log = home / "gateway.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "ROUTING_TABLE_PATH": str(self.table_path),
            "SPOOL_ROOT": str(self.spool_root),
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_AUTH": "off",
            **environment,
        }

    def start(self, *, ready=True):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving.gateway"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        self.client = httpx.Client(base_url=self.url, timeout=30)
        self.wait_for("/v2/health/ready" if ready else "/v2/health/live")
        return self

    def wait_for(self, path, until=lambda answer: answer.status_code == 200, seconds=90):
        """Ask ``path`` until the answer is as wanted; return it."""
        deadline = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                answer = self.client.get(path)
                if until(answer):
                    return answer
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def infer(self, name="flight-delay", body=None, **headers) -> httpx.Response:
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.client.post(f"/v2/models/{name}/infer", json=body or infer_body(), headers=given)

    def publish(self, table, wait=True):
        write_table(table, self.table_path)
        if wait:
            self.wait_for("/status", lambda answer: answer.json()["table"]["version"] == table.version)

    def admit(self, *callers, version=1):
        """Publish who may call."""
        write_callers(CallerList(version, "2026-11-25T12:00:00+00:00", list(callers)), callers_path(self.table_path))

    def wait_until(self, so, seconds=30):
        deadline = time.monotonic() + seconds
        while not so():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def status(self) -> dict:
        return self.client.get("/status").json()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=20)


@contextmanager
def running_gateway(home, table, **environment):
    gateway = RunningGateway(home, **environment)
    write_table(table, gateway.table_path)
    gateway.start()
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.stop()
