"""How each peer is started and asked; all answer the same model, a LightGBM text file."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.catalogue import ROOT
from benchmarks.load import Server, serving
from benchmarks.peers.environments import binaries, environment
from controlplane.embedded import free_port

APPS = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """A server that is not ours: how it is started, and the address and shape of a request."""

    name: str
    command: list[str]
    port: int
    path: str
    key: str  # of the rows in the request's JSON
    environment: dict[str, str]
    folder: Path = ROOT

    @contextmanager
    def running(self, home: Path, rows: list[list[float]]) -> Iterator[Server]:
        """Start it and yield it once it answers."""
        body = home / f"{self.name}.json"
        body.write_bytes(self.body(rows))
        with serving(
            self.name, self.command, port=self.port, path=self.path, body=body, log=home / f"{self.name}.log",
            environment=self.environment, folder=self.folder,
        ) as server:  # fmt: skip
            yield server

    def body(self, rows: list[list[float]]) -> bytes:
        """Return a request for ``rows``."""
        if self.key == "tensor":
            return tensor_body(rows)
        if self.key == "dataframe_split":
            columns = [f"x{i}" for i in range(len(rows[0]))]
            return json.dumps({self.key: {"columns": columns, "data": rows}}).encode()
        return json.dumps({self.key: rows}).encode()


def tensor_body(rows: list[list[float]]) -> bytes:
    """Return an Open Inference request with one tensor [rows, columns]."""
    flat = [value for row in rows for value in row]
    tensor = {"name": "rows", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": flat}
    return json.dumps({"inputs": [tensor]}).encode()


def mlserver(model: Path, home: Path) -> Peer:
    """MLServer with its LightGBM runtime, in one process: without its pool of workers it is faster on one core."""
    folder = home / "mlserver"
    folder.mkdir()
    ports = [free_port() for _ in range(3)]
    names = ("http_port", "grpc_port", "metrics_port")
    settings = dict(zip(names, ports, strict=True)) | {"host": "127.0.0.1", "parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(
        json.dumps({
            "name": "model", "implementation": "mlserver_lightgbm.LightGBMModel", "parameters": {"uri": str(model)}
        })
    )  # fmt: skip
    command = [str(binaries("mlserver") / "mlserver"), "start", str(folder)]
    return Peer("mlserver", command, ports[0], "/v2/models/model/infer", "tensor", environment("mlserver"), folder)


def mlflow(model: Path, home: Path) -> Peer:
    """``mlflow models serve`` of a model that MLflow saved with its signature, so that it checks its inputs as ours does."""
    folder, port = home / "mlflow-model", free_port()
    save = (
        "import sys, lightgbm, pandas, mlflow.lightgbm as flavor; from mlflow.models import infer_signature\n"
        "booster = lightgbm.Booster(model_file=sys.argv[1]); names = booster.feature_name()\n"
        "row = pandas.DataFrame([[0.5] * len(names)], columns=names)\n"
        "flavor.save_model(booster, sys.argv[2], signature=infer_signature(row, booster.predict(row)))"
    )
    subprocess.run(  # noqa: S603
        [str(binaries("mlflow") / "python"), "-c", save, str(model), str(folder)], check=True, env=environment("mlflow"),
        capture_output=True,
    )  # fmt: skip
    command = [
        str(binaries("mlflow") / "mlflow"), "models", "serve", "-m", str(folder), "-p", str(port), "-h", "127.0.0.1",
        "--env-manager", "local",
    ]  # fmt: skip
    return Peer("mlflow", command, port, "/invocations", "dataframe_split", environment("mlflow"), home)


def litserve(model: Path, home: Path) -> Peer:
    """LitServe with one worker."""
    port = free_port()
    command = [str(binaries("litserve") / "python"), str(APPS / "litserve_app.py"), str(model), str(port)]
    return Peer("litserve", command, port, "/predict", "input", environment("litserve"), home)


def bentoml(model: Path, home: Path) -> Peer:
    """BentoML with one worker."""
    port = free_port()
    command = [
        str(binaries("bentoml") / "bentoml"), "serve", "bentoml_app:Model", "--working-dir", str(APPS), "--host",
        "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    variables = environment("bentoml") | {"MODEL": str(model), "BENTOML_HOME": str(home / "bentoml")}
    return Peer("bentoml", command, port, "/predict", "rows", variables, home)


def bare(model: Path) -> Peer:
    """The floor with a model."""
    port = free_port()
    return Peer("bare", [*_module("bare"), str(model), str(port)], port, "/", "tensor", _own())


def constant() -> Peer:
    """The floor without one."""
    port = free_port()
    return Peer("constant", [*_module("constant"), str(port)], port, "/", "tensor", _own())


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.peers.{name}"]


def _own() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1"}


def value_in(answer: Any) -> float:
    """Return the first number in an answer, however its maker wraps it."""
    while not isinstance(answer, float):
        if isinstance(answer, list):
            answer = answer[0]
        else:
            answer = next(answer[key] for key in ("outputs", "predictions", "output", "data") if key in answer)
    return answer
