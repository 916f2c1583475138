"""Searches, as people ask for them: begin one, cancel it, train what it found."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from experiments.models import UNFINISHED, DatasetVersion, Search, SearchState, SearchTrial, TrialState
from experiments.pipelines.catalogue import PIPELINES
from experiments.searching.objectives import OBJECTIVES
from experiments.searching.space import check_space, declared_space
from experiments.services.training import check_trainable, training_start
from experiments.training.params import parse
from jobs.models import Job
from jobs.services import job_cancel, job_create
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import RegisteredModel, Role

MOST_TRIALS, MOST_PARALLEL, MOST_FOLDS = 500, 16, 10
LONGEST_S = 7 * 24 * 3600


@audited()
def search_create(
    *, actor: Actor, model: RegisteredModel, pipeline: str, dataset_version: DatasetVersion,
    params: Mapping[str, Any] | None = None, space: Mapping[str, Any] | None = None, metric: str = "",
    size: int = 30, parallel: int = 2, sampler: str = Search.Sampler.TPE, pruner: str = Search.Pruner.MEDIAN, seed: int = 7,
    folds: int = 0, time_limit_s: int | None = None, register_best: bool = False,
) -> Search:  # fmt: skip
    """Begin a search; a job makes its run in MLflow, and then trials begin.

    Args:
        params: what is not searched; what is left out has its default.
        space: where each searched parameter is looked for; None: as the pipeline declares.
        metric: the objective; empty: the usual one of the task. Its direction is the metric's.
        size: trials that it may make; ``parallel``: of them at once.
        folds: of the training rows, whose mean is the objective; 0: measured on the validation rows.
        time_limit_s: no trial begins later than this after the start (s).
        register_best: train and register the best one at the end.

    Raises:
        RoleError: the actor is no engineer of the model's team.
        InvalidError: a value is not acceptable; names the field.
        ConflictError: the model is archived, or the data are golden or failed a quality check.
    """
    check_trainable(actor, model, pipeline, dataset_version)
    declared = PIPELINES[pipeline].params
    asked = check_space(declared, declared_space(declared) if space is None else space)
    fixed = {name: value for name, value in asdict(parse(declared, params or {})).items() if name not in asked}
    _check_bounds(size=size, parallel=parallel, folds=folds, time_limit_s=time_limit_s, seed=seed)
    if sampler not in Search.Sampler.values:
        raise InvalidError(f"A sampler is one of {', '.join(Search.Sampler.values)}.", field="sampler")
    if pruner not in Search.Pruner.values:
        raise InvalidError(f"A pruner is one of {', '.join(Search.Pruner.values)}.", field="pruner")
    objectives = {one.metric: one for one in OBJECTIVES.get(model.task, ())}
    if (metric or next(iter(objectives), "")) not in objectives:
        known = f"choose one of {', '.join(objectives)}" if objectives else "its task has none yet"
        raise InvalidError(f"A search for {model.name} cannot go by {metric or 'a metric'}; {known}.", field="metric")
    objective = objectives[metric] if metric else next(iter(objectives.values()))
    if model.task == "forecasting" and folds:
        raise InvalidError("Forecasts are measured on the validation rows; leave folds at 0.", field="folds")
    opening = job_create(
        kind="search_open", scope=model.team.slug, title=f"Begin a search for {model.name}", subject=model.path,
        created_by=actor.user,
    )  # fmt: skip
    search = Search.objects.create(
        model=model, dataset_version=dataset_version, pipeline=pipeline, params=fixed, space=asked, metric=objective.metric,
        direction=objective.direction, sampler=sampler, pruner=pruner, seed=seed, size=size, parallel=parallel, folds=folds,
        time_limit_s=time_limit_s, register_best=register_best, opening=opening, created_by=actor.user,
    )  # fmt: skip
    Job.objects.filter(pk=opening.pk).update(subject=search.path)
    audit(
        action="search.create", subject=search.path, actor=actor, team=model.team.slug,
        payload={
            "model": model.name, "pipeline": pipeline, "data_digest": dataset_version.digest, "metric": search.metric,
            "trials": size, "folds": folds, "space": asked, "params": fixed,
        },
    )  # fmt: skip
    return search


@audited()
def search_cancel(*, actor: Actor, search_id: int) -> Search:
    """End a search before its time; trials that run are stopped, what they found so far stays.

    Raises:
        RoleError: the actor is no engineer of the team.
        ConflictError: the search has ended.
    """
    search = Search.objects.select_for_update(of=("self",), no_key=True).select_related("model__team").get(pk=search_id)
    actor.require(search.model.team, Role.ENGINEER)
    if search.is_final:
        raise ConflictError(f"The search has ended: {search.ended_because}")
    by = actor.user.get_username()
    search.state, search.ended_because, search.ended_at = SearchState.CANCELLED, f"{by} cancelled it.", timezone.now()
    search.closing = closing_job(search) if search.run_id else None
    search.save(update_fields=["state", "ended_because", "ended_at", "closing"])
    running = search.trials.filter(state__in=UNFINISHED)
    for job in Job.objects.filter(search_trial__in=running).unfinished().order_by("pk"):
        job_cancel(job_id=job.pk, by=by)
    running.update(state=TrialState.CANCELLED, ended_at=search.ended_at)
    if not search.opening.is_final:
        job_cancel(job_id=search.opening_id, by=by)
    audit(
        action="search.cancel", subject=search.path, actor=actor, team=search.model.team.slug,
        payload={"complete": search.trials.filter(state=TrialState.COMPLETE).count()},
    )  # fmt: skip
    return search


@audited()
def search_register(*, actor: Actor, search_id: int, number: int | None = None) -> Job:
    """Queue a job that trains a trial again, with the same rows, parameters and seed, and registers it as the model's next version.

    Args:
        number: of the trial; None: the best one.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: there is no such trial.
        ConflictError: no trial is complete, or it is being trained already.
    """
    search = Search.objects.select_for_update(of=("self",), no_key=True).select_related(
        "model__team", "dataset_version__dataset__team"
    ).get(pk=search_id)  # fmt: skip
    actor.require(search.model.team, Role.ENGINEER)
    complete = search.trials.filter(state=TrialState.COMPLETE)
    if number is None:
        trial: SearchTrial | None = complete.order_by(search.best_first, "number").first()
    elif (trial := complete.filter(number=number).first()) is None and search.trials.filter(number=number).exists():
        raise ConflictError(f"Trial {number} is not complete; choose one that is.")
    elif trial is None:
        raise InvalidError(f"The search has no trial {number}.", field="number")
    if trial is None:
        raise ConflictError("No trial is complete yet; wait for one.")
    if (before := trial.training) and before.state not in ("failed", "cancelled"):
        raise ConflictError(f"Trial {trial.number} is registered once: see job {before.pk}.")
    job = training_start(
        actor=actor, model=search.model, pipeline=search.pipeline, dataset_version=search.dataset_version,
        params=trial.all_params, trial=trial,
    )  # fmt: skip
    SearchTrial.objects.filter(pk=trial.pk).update(training=job)
    audit(
        action="search.register", subject=search.path, actor=actor, team=search.model.team.slug,
        payload={"trial": trial.number, "job": job.pk, search.metric: trial.value},
    )  # fmt: skip
    return job


def closing_job(search: Search) -> Job:
    """Return a new job that ends the search in MLflow."""
    return job_create(
        kind="search_close", scope=search.model.team.slug, title=f"End the search for {search.model.name}", subject=search.path,
        created_by=search.created_by,
    )  # fmt: skip


def _check_bounds(*, size: int, parallel: int, folds: int, time_limit_s: int | None, seed: int) -> None:
    for name, value, low, high in (
        ("trials", size, 1, MOST_TRIALS), ("parallel", parallel, 1, MOST_PARALLEL), ("seed", seed, 0, 2**31 - 1),
        ("folds", folds, 2, MOST_FOLDS), ("time_limit_minutes", time_limit_s, 60, LONGEST_S),
    ):  # fmt: skip
        if (name == "folds" and value == 0) or value is None:
            continue
        if not low <= value <= high:
            shown = (low // 60, high // 60) if name == "time_limit_minutes" else (low, high)
            either = "0 or " * (name == "folds")
            raise InvalidError(f"{name} must be {either}{shown[0]} to {shown[1]}.", field=name)
