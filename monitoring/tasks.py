"""Periodic work of monitoring; each is safe to deliver twice."""

import threading

from celery import shared_task
from django.utils import timezone

from jobs.tasks import Hint
from monitoring import services, shipping
from monitoring.counting import objectives as slo_counting
from monitoring.counting import rollup
from monitoring.labelling import labels
from monitoring.labelling import trials as labelled
from monitoring.quality import counting as quality_counting
from monitoring.quality import tidying as quality_tidying
from monitoring.trials import tidying as trial_tidying

_turns = threading.BoundedSemaphore(2)  # one that looks, and one that sees what came after that one looked


@shared_task
def ship() -> None:
    """Ship the sealed segments of the prediction log."""
    shipping.ship()


@shared_task
def ship_labels() -> None:
    """Write to the lake what became of predictions."""
    labels.ship_labels()


@shared_task
def count_labelled() -> None:
    """Take anew what became of predictions of open trials."""
    labelled.count_labelled(now=timezone.now())


@shared_task
def count_quality() -> None:
    """Count anew the quality of hours whose predictions or labels changed, and tell who watches it."""
    quality_counting.count_quality(now=timezone.now())
    services.quality_watch(now=timezone.now())


@shared_task
def fit_quality() -> None:
    """Queue what estimates of quality rest on, of versions that answer and have none."""
    services.quality_references_start(now=timezone.now())


@shared_task
def push_facts() -> None:
    """Tell the registry about error budgets and traffic."""
    services.facts_push(now=timezone.now())


@shared_task(base=Hint)
def retrain() -> None:
    """Look whether models are to be trained anew, and move what goes on; where others are at it already, they see to it."""
    if not _turns.acquire(blocking=False):
        return
    try:
        services.reconcile_retrainings(now=timezone.now())
    finally:
        _turns.release()


@shared_task
def watch_burn() -> None:
    """Restate what late labels changed, and tell the alerts how fast error budgets burn."""
    services.restate(now=timezone.now())
    services.burn_watch(now=timezone.now())


@shared_task
def look_for_drift() -> None:
    """Judge the latest inputs of versions that answer."""
    services.drift_look(now=timezone.now())


@shared_task
def start_drift_reports() -> None:
    """Queue the full drift reports that are due."""
    services.drift_reports_start(now=timezone.now())


@shared_task
def push_references() -> None:
    """Note the first inputs of champions whose training rows are not known here."""
    services.references_push()


@shared_task
def hold_to_contracts() -> None:
    """Hold the latest inputs of every champion to its data contract."""
    services.live_checks_make(now=timezone.now())


@shared_task
def sum_up() -> None:
    """Sum up the feature histograms of hours and days that have passed."""
    rollup.sum_up(now=timezone.now())


@shared_task
def purge() -> None:
    """Forget telemetry past its time."""
    rollup.purge(now=timezone.now())
    slo_counting.tidy_counts(now=timezone.now())
    labels.purge_labels(now=timezone.now())
    trial_tidying.purge_trials(now=timezone.now())
    quality_tidying.purge_quality(now=timezone.now())
    services.live_checks_forget(now=timezone.now())
    services.drift_windows_purge(now=timezone.now())


@shared_task
def join_files() -> None:
    """Queue the joining of the lake's small files, where it is due."""
    _start("lake_compact")


@shared_task
def retain() -> None:
    """Queue the forgetting of predictions that are kept no longer."""
    _start("lake_retain")


def _start(kind: str) -> None:
    from monitoring.services.tidying import lake_jobs_start  # heavy: opens the lake

    lake_jobs_start(kind=kind, now=timezone.now())
