"""Training: a run in MLflow, and the version that comes of it."""

import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import pandas as pd
from django.conf import settings
from django.utils import timezone

from experiments.handlers.asking import actor_of
from experiments.handlers.guarding import refuse_golden_rows
from experiments.models import DatasetVersion
from experiments.pipelines.calibrating import Checked
from experiments.pipelines.catalogue import PIPELINES, TrainingPipeline
from experiments.pipelines.contract import Trained, TrainingRows
from experiments.rows.frames import load_frame
from experiments.rows.retrieval import documents_of
from experiments.selectors import split_rows
from experiments.services import training_register
from experiments.services.training import TrainingResult
from experiments.training import tracking
from experiments.training.fitting import CrossValidation, cross_validated, fit
from experiments.training.params import parse
from experiments.training.validating import validated
from jobs.kinds import JobContext
from jobs.models import Job
from registry.adapters import read_source
from registry.artifacts import ArtifactError, ArtifactReading
from registry.models import ApiToken, RegisteredModel
from registry.services import token_create, token_revoke

TRAINED = 0.8  # share of a training job that is done once the pipeline has ended
EXAMPLE_ROWS = 5
CONTEXT = ("key", "time", "query", "document", "series", "entity")  # what a pipeline may know beside features


def train(ctx: JobContext) -> None:
    """Train, log the run to MLflow, and register the version with its lineage; its evaluation is queued with it."""
    model = RegisteredModel.objects.select_related("team").get(pk=ctx.params["model_id"])
    data = DatasetVersion.objects.select_related("dataset__team").get(pk=ctx.params["dataset_version_id"])
    pipeline = PIPELINES[ctx.params["pipeline"]]
    ctx.progress(0.0, f"Reading {data}")
    refuse_golden_rows(ctx, data)
    rows = replace(training_rows(data, load_frame(data.parquet, data.digest)), cluster=settings.TRAINING_CLUSTER)
    ctx.log(f"{data}, {data.digest}: {len(rows.train):,} rows to learn from, {len(rows.validation):,} to validate")
    with mlflow_run(
        ctx, model, data, pipeline=pipeline.name, name=f"{pipeline.name}-job-{ctx.job_id}", params=ctx.params["params"]
    ) as run:
        params: Any = parse(pipeline.params, ctx.params["params"])
        tried = _tried(ctx, run, pipeline, params, rows, model.task)
        trained, checked = fit(pipeline, params, rows, _Report(ctx, run, 0.5 if tried else 0.0))
        detail = _log_detail(run, tried, checked)
        found = log_outcome(run, trained, rows, model.task)
        ctx.log(", ".join(f"{name} {value:.4f}" for name, value in found.items()))
        ctx.progress(TRAINED + 0.1, "Writing the model to MLflow")
        types = {column["name"]: column["type"] for column in data.columns}
        takes = trained.inputs or list(rows.train.columns)
        logged = run.model(
            trained, types={name: types.get(name, "long") for name in takes},
            optional=[name for name, facts in data.profile.items() if facts["nulls"]],
            example=_example(rows.train[[name for name in takes if name in rows.train]]),
        )  # fmt: skip
    outcome = TrainingResult(
        run.run_id, run.experiment_id, logged.model_id, logged.source, metrics=found, importance=trained.importance, detail=detail,
    )  # fmt: skip
    ctx.progress(0.95, "Reading back what was written")
    read = _read_back(logged.source, run.run_id, model)
    ctx.progress(0.97, "Registering the version")
    result: dict[str, Any] = {"run_id": run.run_id}
    with ctx.finish(result):
        lineage, evaluation = training_register(
            actor=actor_of(ctx), job=Job.objects.get(pk=ctx.job_id), model=model, dataset_version=data,
            pipeline=pipeline.name, params=ctx.params["params"], result=outcome, outcome=read,
        )  # fmt: skip
        result["version"] = lineage.version.path
        if evaluation:
            result["evaluation"] = f"/jobs/{evaluation.pk}/"
        else:
            result["refusal"] = lineage.version.refusal


def _read_back(source: str, run_id: str, model: RegisteredModel) -> ArtifactReading | ArtifactError:
    try:
        return read_source(source, run_id, team=model.team)
    except ArtifactError as error:
        return error


def training_rows(data: DatasetVersion, frame: pd.DataFrame) -> TrainingRows:
    """Return the rows to learn from, categories first: the order of columns that every pipeline keeps."""
    categorical = data.categorical()
    names = [*categorical, *(name for name in data.features() if name not in categorical)]
    learn, validate = split_rows(data, frame, "train"), split_rows(data, frame, "validation")
    roles = {role: column for role in CONTEXT if (column := data.column_in(role))}
    context = list(roles.values())
    return TrainingRows(
        learn[names], learn[data.target], validate[names], validate[data.target], categorical, learn[context],
        validate[context], roles, documents_of(frame, roles["document"]) if "document" in roles else pd.DataFrame(),
    )  # fmt: skip


def _example(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a few complete rows, so that a reader sees what every column looks like."""
    complete = rows.dropna()
    return (complete if len(complete) >= EXAMPLE_ROWS else rows).head(EXAMPLE_ROWS).reset_index(drop=True)


class _Report:
    """Passes a pipeline's progress to the job, and its learning curves to the run.

    Attributes:
        begin, end: which share of the training it tells of.
    """

    def __init__(self, ctx: JobContext, run: tracking.Run, begin: float = 0.0, end: float = 1.0) -> None:
        self.ctx, self.run, self.begin, self.end = ctx, run, begin, end

    def progress(self, share: float, phase: str) -> None:
        """Show how far the training is, and stop where it is no longer wanted."""
        done = self.begin + (self.end - self.begin) * share
        self.ctx.progress(0.05 + (TRAINED - 0.05) * done, phase)

    def metric(self, name: str, value: float, step: int) -> None:
        """Note one point of a learning curve."""
        self.run.metric(name, value, step)


def _tried(
    ctx: JobContext, run: tracking.Run, pipeline: TrainingPipeline, params: Any, rows: TrainingRows, task: str
) -> CrossValidation | None:
    """Return how the pipeline fares fold by fold, if it is asked to."""
    if not getattr(params, "folds", 0):
        return None
    found = cross_validated(pipeline, params, rows, task=task, report=_Report(ctx, run, 0.0, 0.5))
    ctx.log(f"{len(found.folds)} folds: {found.metric} {found.mean:.4f}, spread {found.spread:.4f}")
    run.metric(f"cv_{found.metric}_mean", found.mean)
    run.metric(f"cv_{found.metric}_spread", found.spread)
    return found


def _log_detail(run: tracking.Run, tried: CrossValidation | None, checked: Checked | None) -> dict[str, Any]:
    """Write what was found by fold and by calibrating beside the run, and return it."""
    detail: dict[str, Any] = {}
    if tried:
        detail["cross_validation"] = tried.told()
    if checked:
        detail["calibration"] = asdict(checked)
        for name, value in checked.metrics.items():
            run.metric(name, value)
    for name, content in detail.items():
        run.table(f"{name}.json", content)
    return detail


@contextmanager
def mlflow_token(ctx: JobContext, model: RegisteredModel) -> Iterator[str]:
    """Lend a token of the job's creator that lasts no longer than the block."""
    process = f"job:{ctx.job_id}"
    token, secret = token_create(
        actor=None, process=process, user=actor_of(ctx).user, team=model.team, name=f"job {ctx.job_id}",
        scopes=[ApiToken.Scope.READ, ApiToken.Scope.WRITE],
        expires_at=timezone.now() + timedelta(seconds=Job.objects.get(pk=ctx.job_id).timeout_s),
    )  # fmt: skip
    try:
        yield secret
    finally:
        token_revoke(actor=None, process=process, token_id=token.pk)


@contextmanager
def mlflow_run(
    ctx: JobContext, model: RegisteredModel, data: DatasetVersion, *, pipeline: str, name: str, params: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
) -> Iterator[tracking.Run]:  # fmt: skip
    """Begin a run in the name of the job's creator; its parameters and tags say what its numbers depend on."""
    split = {f"rows_{name}": facts["rows"] for name, facts in data.splits.items() if name in ("train", "validation")}
    with (
        mlflow_token(ctx, model) as secret,
        tracking.run(
            url=settings.MLFLOW_URL, token=secret, experiment=model.name, name=name,
            params={"pipeline": pipeline, **params, **split, "dataset": str(data), "data_digest": data.digest},
            tags={"job": str(ctx.job_id), "attempt": str(ctx.attempt), **(tags or {}), **_commit(), **_environment()},
        ) as run,
    ):  # fmt: skip
        ctx.log(f"MLflow run {run.run_id}")
        yield run


def log_outcome(run: tracking.Run, trained: Trained, rows: TrainingRows, task: str) -> dict[str, float]:
    """Send metrics on the validation rows, curves and importance to the run; return the metrics."""
    found = validated(task, rows, trained)
    for name, value in {**found.metrics, **trained.facts}.items():
        run.metric(name, value)
    for name, points in found.curves.items():
        run.table(f"curves/{name}.json", points)
    run.table("feature_importance.json", trained.importance)
    return {**found.metrics, **{name: value for name, value in trained.facts.items() if name.startswith("validation_")}}


def _commit() -> dict[str, str]:
    """Return the commit of this code as a tag, where it runs from a checkout."""
    git = shutil.which("git")
    if not git:
        return {}
    found = subprocess.run(  # noqa: S603  a fixed command
        [git, "rev-parse", "HEAD"], cwd=settings.BASE_DIR, capture_output=True, text=True, check=False
    )
    return {"mlflow.source.git.commit": found.stdout.strip()} if found.returncode == 0 else {}


def _environment() -> dict[str, str]:
    """Return what the numbers depend on beside rows, parameters and seed, as tags."""
    names = ("numpy", "scikit-learn", "lightgbm", "xgboost-cpu", "pandas")
    return {"python": platform.python_version(), "machine": platform.machine()} | {
        f"version.{name}": version(name) for name in names
    }
