"""Runs in MLflow, written by its own client over HTTP. Called outside transactions; answers with our own records."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.models import Model

from experiments.pipelines.contract import Trained
from experiments.training import flavor

BATCH = 500


@dataclass(frozen=True)
class LoggedModel:
    """Where a trained model lies, as MLflow knows it."""

    model_id: str
    source: str


@dataclass
class Run:
    """One run that is being written; metrics are sent in batches."""

    client: MlflowClient
    run_id: str
    experiment_id: str
    _waiting: list[Metric] = field(default_factory=list)

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """Note one point of a metric."""
        self._waiting.append(Metric(name, value, int(time() * 1000), step))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what was noted."""
        if self._waiting:
            self.client.log_batch(self.run_id, metrics=self._waiting)
            self._waiting.clear()

    def table(self, file: str, content: Any) -> None:
        """Write JSON beside the run, such as the points of a curve."""
        self.client.log_dict(self.run_id, content, file)

    def model(
        self, trained: Trained, *, types: dict[str, str], optional: Collection[str], example: pd.DataFrame
    ) -> LoggedModel:
        """Write the model with its signature and a few rows as an example.

        Args:
            types: each feature's MLflow type, in the order the model takes them.
            optional: the features that may be missing.
        """
        self.flush()
        params = self.client.get_run(self.run_id).data.params
        begun = self.client.create_logged_model(self.experiment_id, "model", source_run_id=self.run_id, params=params)
        Model.log(
            None, flavor, model_id=begun.model_id, run_id=self.run_id, trained=trained,
            signature=flavor.signature_of(types, optional=optional, trained=trained), input_example=example,
        )  # fmt: skip
        return LoggedModel(begun.model_id, f"models:/{begun.model_id}")


@contextmanager
def run(
    *, url: str, token: str, experiment: str, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
) -> Iterator[Run]:
    """Begin a run and end it: finished, or failed where the body raises.

    Args:
        url: where MLflow answers.
        token: of the person the run belongs to.
        experiment: created where it does not exist.
    """
    with _spoken_to(url, token):
        client = MlflowClient()
        experiment_id = _experiment(client, experiment)
        run_id = client.create_run(experiment_id, run_name=name).info.run_id
        client.log_batch(
            run_id, params=[Param(k, str(v)) for k, v in params.items()], tags=[RunTag(k, v) for k, v in tags.items()]
        )
        begun = Run(client, run_id, experiment_id)
        try:
            yield begun
            begun.flush()
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")


@dataclass(frozen=True)
class Begun:
    """A run that others stand under."""

    run_id: str
    experiment_id: str


def parent_run(
    *, url: str, token: str, experiment: str, name: str, key: tuple[str, str], params: Mapping[str, Any]
) -> Begun:
    """Begin a run that others will stand under, or find the one that was begun before.

    Args:
        key: the tag (name, value) by which it is known.
    """
    with _spoken_to(url, token):
        client = MlflowClient()
        experiment_id = _experiment(client, experiment)
        found = client.search_runs([experiment_id], f"tags.`{key[0]}` = '{key[1]}'", max_results=1)
        if found:
            return Begun(found[0].info.run_id, experiment_id)
        run_id = client.create_run(experiment_id, run_name=name, tags=dict([key])).info.run_id
        client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()])
        return Begun(run_id, experiment_id)


def parent_end(
    *, url: str, token: str, parent: Begun, status: str, metrics: Mapping[str, float], tags: Mapping[str, str]
) -> None:
    """End a run that others stand under; those of them that still run lost their worker and have failed."""
    with _spoken_to(url, token):
        client = MlflowClient()
        left = client.search_runs(
            [parent.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.run_id}' and attributes.status = 'RUNNING'"
        )
        for one in left:
            client.set_terminated(one.info.run_id, "FAILED")
        now = int(time() * 1000)
        client.log_batch(
            parent.run_id, metrics=[Metric(k, v, now, 0) for k, v in metrics.items()],
            tags=[RunTag(k, v) for k, v in tags.items()],
        )  # fmt: skip
        client.set_terminated(parent.run_id, status)


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


@contextmanager
def _spoken_to(url: str, token: str) -> Iterator[None]:
    """Point MLflow's client at ``url``; it reads address and token from the environment, so a process has one at a time."""
    names = {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": token}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
