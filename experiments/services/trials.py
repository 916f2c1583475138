"""Searches, as workers move them on: each write of a trial speaks for the attempt that holds its job.

Locks are taken in one order, the search before a job, so that a trial that ends and a person who cancels never wait for each other.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from experiments.models import UNFINISHED, Search, SearchState, SearchTrial, TrialState
from experiments.pipelines.catalogue import PIPELINES
from experiments.searching.told import Ask, Judge, Plan, Told, Weigh
from experiments.services.searches import closing_job
from jobs.leases import LeaseLostError, job_hold
from jobs.services import job_cancel, job_create
from jobs.state_table import IllegalMoveError
from jobs.states import State
from registry.audit_trail import audit, audited

HOPELESS = 5  # trials that fail before any is complete: the next ones would fail too


@audited()
def search_opened(*, search_id: int, run_id: str, experiment_id: str) -> None:
    """Note the search's run in MLflow; trials begin now."""
    search = search_lock(search_id=search_id)
    search.run_id, search.experiment_id = run_id, experiment_id
    search.save(update_fields=["run_id", "experiment_id"])
    if not search.is_final:
        _step(search)


@audited()
def search_step(*, search_id: int) -> None:
    """Settle the trials whose jobs have ended, then queue the next ones or end the search; safe to run twice."""
    search = search_lock(search_id=search_id)
    if not search.is_final:
        _step(search)


@transaction.atomic
def trial_begin(*, job_id: int, attempt: int, ask: Ask) -> SearchTrial | None:
    """Take a trial for ``attempt`` of its job; None where the search makes no more trials.

    Another attempt begins anew, with the parameters that the first one was given.

    Args:
        ask: chooses the parameters.

    Raises:
        LeaseLostError, JobCancelledError: the attempt does not hold the job.
    """
    search = search_lock(search_id=SearchTrial.objects.values_list("search_id", flat=True).get(job_id=job_id))
    job_hold(job_id=job_id, attempt=attempt)
    trial = search.trials.get(job_id=job_id)
    if search.is_final or (_is_overdue(search) and not trial.attempt):
        return None
    params = trial.params or ask(plan_of(search), told_of(search), trial.number)
    search.trials.filter(pk=trial.pk).update(
        attempt=attempt, state=TrialState.RUNNING, params=params, curve=[], rungs={}, metrics={}, value=None, run_id="",
        started_at=Now(), ended_at=None,
    )  # fmt: skip
    trial.refresh_from_db()
    trial.search = search
    return trial


@transaction.atomic
def trial_report(*, trial: SearchTrial, step: int, value: float, judge: Judge) -> bool:
    """Keep one point of a running trial's curve, and return whether to stop the trial.

    Raises:
        LeaseLostError: another attempt holds the trial, or it was called off.
    """
    held = SearchTrial.objects.filter(pk=trial.pk, attempt=trial.attempt, state=TrialState.RUNNING)
    trial.curve.append([step, value])
    if not held.update(curve=trial.curve):
        raise LeaseLostError(f"Attempt {trial.attempt} no longer holds {trial}.")
    found = judge(plan_of(trial.search), told_of(trial.search), trial.number)
    held.update(rungs=found.rungs)
    return found.stop


@audited()
def trial_end(
    *,
    trial: SearchTrial,
    state: TrialState,
    value: float | None,
    metrics: Mapping[str, float],
    run_id: str,
    weigh: Weigh,
) -> None:
    """Keep what a trial found, within its job's finish; the next trial is queued, or the search ends.

    Args:
        state: complete, with its ``value``; or pruned, without.
        weigh: tells which parameters matter.

    Raises:
        LeaseLostError: the trial was called off.
    """
    search = search_lock(search_id=trial.search_id)
    held = SearchTrial.objects.filter(pk=trial.pk, attempt=trial.attempt, state=TrialState.RUNNING)
    if not held.update(state=state, value=value, metrics=metrics, run_id=run_id, ended_at=Now()):
        raise LeaseLostError(f"Attempt {trial.attempt} no longer holds {trial}.")
    if state == TrialState.COMPLETE:
        search.importances = weigh(plan_of(search), told_of(search))
        search.save(update_fields=["importances"])
    if not search.is_final:
        _step(search)


def search_lock(*, search_id: int) -> Search:
    """Lock a search for the rest of the caller's transaction; a job's row is locked after it, never before."""
    rows = Search.objects.select_for_update(of=("self",), no_key=True).select_related(
        "model__team", "opening", "created_by"
    )
    return rows.get(pk=search_id)


def plan_of(search: Search) -> Plan:
    """Return how a search goes about it, as Optuna is told."""
    rounds = PIPELINES[search.pipeline].rounds
    most = search.space[rounds].get("high", 0) if rounds in search.space else search.params.get(rounds, 0)
    return Plan(
        name=f"search-{search.pk}", space=search.space, direction=search.direction, sampler=search.sampler, pruner=search.pruner,
        seed=search.seed, longest=search.folds or int(most),
    )  # fmt: skip


def told_of(search: Search) -> list[Told]:
    """Return what is known of the trials that have begun."""
    fields = ("number", "state", "params", "value", "curve", "rungs")
    return [Told(*row) for row in search.trials.exclude(state=TrialState.WAITING).values_list(*fields)]


def _step(search: Search) -> None:
    unfinished = _settled(search)
    states = Counter(search.trials.values_list("state", flat=True))
    made = sum(states.values())
    if search.opening.state in (State.FAILED, State.CANCELLED):
        _end(search, SearchState.FAILED, f"It could not begin: job {search.opening_id} {search.opening.state}.")
    elif not search.run_id:
        return
    elif states[TrialState.FAILED] >= HOPELESS and not states[TrialState.COMPLETE] + states[TrialState.PRUNED]:
        _end(
            search,
            SearchState.FAILED,
            f"The first {states[TrialState.FAILED]} trials failed; the job of each says why.",
        )
    elif made < search.size and not _is_overdue(search):
        for number in range(made, min(search.size, made + search.parallel - len(unfinished))):
            _queue(search, number)
    elif waiting := [trial for trial in unfinished if trial.state == TrialState.WAITING and _is_overdue(search)]:
        for trial in waiting:
            _call_off(trial, "the time limit")
        _step(search)
    elif not unfinished:
        if not states[TrialState.COMPLETE]:
            _end(search, SearchState.FAILED, "No trial is complete; the job of each says why.")
        else:
            _end(
                search,
                SearchState.FINISHED,
                "The time limit is reached." if made < search.size else "All trials are made.",
            )


def _settled(search: Search) -> list[SearchTrial]:
    """Mark the trials whose jobs ended without them, and return those that wait or run."""
    unfinished = []
    for trial in search.trials.filter(state__in=UNFINISHED).select_related("job"):
        if not trial.job.is_final:
            unfinished.append(trial)
            if (
                trial.job.state == State.QUEUED and trial.state == TrialState.RUNNING
            ):  # its attempt failed; another follows
                search.trials.filter(pk=trial.pk, attempt=trial.attempt).update(state=TrialState.WAITING)
            continue
        lost = TrialState.CANCELLED if trial.job.state == State.CANCELLED else TrialState.FAILED
        search.trials.filter(pk=trial.pk, state__in=UNFINISHED).update(state=lost, ended_at=Now())
    return unfinished


def _queue(search: Search, number: int) -> None:
    job = job_create(
        kind="search_trial", scope=search.model.team.slug, title=f"Trial {number} of the search for {search.model.name}",
        subject=search.path, created_by=search.created_by,
    )  # fmt: skip
    SearchTrial.objects.create(search=search, number=number, job=job)


def _call_off(trial: SearchTrial, by: str) -> None:
    with suppress(IllegalMoveError):  # it has just ended
        job_cancel(job_id=trial.job_id, by=by)
    SearchTrial.objects.filter(pk=trial.pk, state__in=UNFINISHED).update(state=TrialState.CANCELLED, ended_at=Now())


def _end(search: Search, state: SearchState, because: str) -> None:
    """End a search: what still waits or runs is called off, and a job ends its run in MLflow."""
    for trial in search.trials.filter(state__in=UNFINISHED):
        _call_off(trial, "the end of the search")
    search.state, search.ended_because, search.ended_at = state, because, timezone.now()
    if search.run_id:
        search.closing = closing_job(search)
    search.save(update_fields=["state", "ended_because", "ended_at", "closing"])
    complete = search.trials.filter(state=TrialState.COMPLETE)
    best = complete.order_by(search.best_first, "number").first()
    audit(
        action="search.finish", subject=search.path, actor=None, process="search", team=search.model.team.slug,
        payload={
            "state": state, "because": because, "complete": complete.count(),
            **({"best": best.number, search.metric: best.value} if best else {}),
        },
    )  # fmt: skip


def _is_overdue(search: Search) -> bool:
    if search.time_limit_s is None:
        return False
    limit = timedelta(seconds=search.time_limit_s)
    return Search.objects.filter(pk=search.pk, created_at__lte=Now() - limit).exists()
