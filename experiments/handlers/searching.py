"""Searches for good parameters: what their jobs do. A trial trains once; its run in MLflow stands under the search's own."""

import math
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction

from experiments import services
from experiments.handlers.asking import actor_of
from experiments.handlers.guarding import refuse_golden_rows
from experiments.handlers.training import log_outcome, mlflow_run, mlflow_token, training_rows
from experiments.models import Search, SearchState, SearchTrial, TrialState
from experiments.pipelines.catalogue import PIPELINES
from experiments.pipelines.contract import TrainingRows
from experiments.rows.frames import load_frame
from experiments.searching import optimizing
from experiments.searching.folds import folds_of
from experiments.searching.objectives import Objective, objective_of
from experiments.services.trials import plan_of, search_lock
from experiments.training import tracking
from experiments.training.fitting import fit
from experiments.training.params import parse
from experiments.training.validating import validated
from jobs.kinds import JobContext
from registry.errors import RefusedError

PARENT = "mlflow.parentRunId"
STATUS = {SearchState.FINISHED: "FINISHED", SearchState.CANCELLED: "KILLED", SearchState.FAILED: "FAILED"}  # in MLflow


class PrunedError(Exception):
    """The trial is not worth going on; ``step`` says where it was stopped."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped at {step}")
        self.step = step


def search_open(ctx: JobContext) -> None:
    """Make the run under which the trials stand; a second attempt finds the one that a first made."""
    search = Search.objects.select_related("model__team", "dataset_version__dataset").get(opening_id=ctx.job_id)
    refuse_golden_rows(ctx, search.dataset_version)
    ctx.progress(0.1, "Beginning the run in MLflow")
    with mlflow_token(ctx, search.model) as secret:
        begun = tracking.parent_run(
            url=settings.MLFLOW_URL, token=secret, experiment=search.model.name, name=f"search-{search.pk}",
            key=("search.parent", str(search.pk)),
            params={
                "pipeline": search.pipeline, "metric": search.metric, "direction": search.direction, "sampler": search.sampler,
                "pruner": search.pruner, "seed": search.seed, "trials": search.size, "folds": search.folds,
                "dataset": str(search.dataset_version), "data_digest": search.dataset_version.digest,
                **{f"space.{name}": one for name, one in search.space.items()}, **search.params,
            },
        )  # fmt: skip
    with transaction.atomic():
        search_lock(search_id=search.pk)
        with ctx.finish({"search": search.path, "run_id": begun.run_id}):
            services.search_opened(search_id=search.pk, run_id=begun.run_id, experiment_id=begun.experiment_id)


def search_trial(ctx: JobContext) -> None:
    """Train with the parameters that the sampler chooses, judged on the way, and keep how good they are."""
    trial = services.trial_begin(job_id=ctx.job_id, attempt=ctx.attempt, ask=optimizing.ask)
    if trial is None:
        with ctx.finish({"left_out": "The search had ended before this trial began."}):
            return
    search, data = trial.search, trial.search.dataset_version
    objective = objective_of(search.model.task, search.metric)
    ctx.log(", ".join(f"{name} {value}" for name, value in trial.params.items()))
    ctx.progress(0.0, f"Reading {data}")
    refuse_golden_rows(ctx, data)  # a set may have become golden since
    rows = training_rows(data, load_frame(data.parquet, data.digest))
    metrics: dict[str, float] = {}
    state, value, ended = TrialState.COMPLETE, None, "complete"
    with mlflow_run(
        ctx, search.model, data, pipeline=search.pipeline, name=f"search-{search.pk}-trial-{trial.number}", params=trial.all_params,
        tags={PARENT: search.run_id, "search": str(search.pk), "trial": str(trial.number)},
    ) as run:  # fmt: skip
        try:
            metrics = _measured(ctx, trial, rows, objective, run)
        except PrunedError as pruned:
            state, ended = TrialState.PRUNED, f"pruned at {pruned.step}"
        else:
            value = metrics[objective.measured]
            if not math.isfinite(value):
                raise ValueError(f"{objective.label} is {value}: the trial cannot be told from others.")
        run.client.set_tag(run.run_id, "trial.state", state)
    ctx.log(ended if value is None else f"{objective.label} {value:.6g}")
    with transaction.atomic():
        search_lock(search_id=search.pk)
        with ctx.finish({"search": search.path, "run_id": run.run_id, "state": ended, search.metric: value}):
            services.trial_end(
                trial=trial, state=state, value=value, metrics=metrics, run_id=run.run_id, weigh=optimizing.importances
            )


def search_close(ctx: JobContext) -> None:
    """End the search's run in MLflow, and those that a killed worker left open; train the winner where that was asked for."""
    search = Search.objects.select_related("model__team").get(closing_id=ctx.job_id)
    best = search.trials.filter(state=TrialState.COMPLETE).order_by(search.best_first, "number").first()
    states = list(search.trials.values_list("state", flat=True))
    ctx.progress(0.2, "Ending the run in MLflow")
    with mlflow_token(ctx, search.model) as secret:
        tracking.parent_end(
            url=settings.MLFLOW_URL, token=secret, parent=tracking.Begun(search.run_id, search.experiment_id),
            status=STATUS[SearchState(search.state)],
            metrics={
                **{f"trials_{state}": float(states.count(state)) for state in sorted(set(states))},
                **({f"best_{search.metric}": best.value} if best and best.value is not None else {}),
            },
            tags={"best_trial": str(best.number), "best_run_id": best.run_id} if best else {},
        )  # fmt: skip
    result: dict[str, Any] = {"search": search.path}
    with transaction.atomic():
        search_lock(search_id=search.pk)
        with ctx.finish(result):
            if search.register_best and search.state == SearchState.FINISHED and best and best.training_id is None:
                try:
                    result["training"] = services.search_register(actor=actor_of(ctx), search_id=search.pk).path
                except RefusedError as refused:
                    result["not_registered"] = str(refused)


def _measured(
    ctx: JobContext, trial: SearchTrial, rows: TrainingRows, objective: Objective, run: tracking.Run
) -> dict[str, float]:
    """Return the metrics of one training on the validation rows, or their means over folds of the training rows.

    Raises:
        PrunedError: it is not worth going on.
    """
    search = trial.search
    pipeline = PIPELINES[search.pipeline]
    params: Any = parse(pipeline.params, trial.all_params)
    if not search.folds:
        report = _Report(ctx, run, trial, curve=objective.curve, every=plan_of(search).every)
        return log_outcome(run, fit(pipeline, params, rows, report)[0], rows, search.model.task)
    found: list[dict[str, float]] = []
    for number, fold in enumerate(folds_of(rows, search.folds), 1):
        report = _Report(ctx, run, trial, begun=(number - 1) / search.folds, share=1 / search.folds, fold=number)
        found.append(validated(search.model.task, fold, fit(pipeline, params, fold, report)[0]).metrics)
        means = _means(found)
        run.metric(f"folds_{objective.metric}", means[objective.measured], number)
        _judge(trial, number, means[objective.measured])
    for name, value in means.items():
        run.metric(name, value)
    return means


def _means(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(one[name] for one in found) / len(found) for name in found[0]}


def _judge(trial: SearchTrial, step: int, value: float) -> None:
    if services.trial_report(trial=trial, step=step, value=value, judge=optimizing.judge):
        raise PrunedError(step)


class _Report:
    """Passes progress to the job and curves to the run, and has the trial judged by the curve of the objective."""

    def __init__(
        self, ctx: JobContext, run: tracking.Run, trial: SearchTrial, *, curve: str = "", every: int = 1, begun: float = 0.0,
        share: float = 1.0, fold: int = 0,
    ) -> None:  # fmt: skip
        self.ctx, self.run, self.trial = ctx, run, trial
        self.curve, self.every, self.begun, self.share, self.fold = curve, every, begun, share, fold

    def progress(self, share: float, phase: str) -> None:
        """Show how far the trial is, and stop where it is no longer wanted."""
        self.ctx.progress(
            0.95 * (self.begun + self.share * share), f"Fold {self.fold}: {phase}" if self.fold else phase
        )

    def metric(self, name: str, value: float, step: int) -> None:
        """Note one point of a learning curve; of each so many of them one is judged."""
        self.run.metric(f"fold_{self.fold}_{name}" if self.fold else name, value, step)
        if name == self.curve and step % self.every == 0:
            _judge(self.trial, step, value)
