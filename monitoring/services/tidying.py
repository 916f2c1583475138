"""Queueing the care of the lake, team by team, where any is due; the clock asks for it."""

from datetime import datetime

from jobs.models import Job
from jobs.services import SlotTakenError, job_create
from jobs.states import State
from monitoring.selectors.lake import scattered, surplus

TITLES = {"lake_compact": "Join small files of the prediction log", "lake_retain": "Forget old predictions"}
DUE = {"lake_compact": scattered, "lake_retain": surplus}


def lake_jobs_start(*, kind: str, now: datetime) -> list[Job]:
    """Queue a job for each team whose part of the lake needs it and that has none waiting; safe to repeat.

    Args:
        kind: ``lake_compact`` or ``lake_retain``.
        now: its ten minutes are the turn, which is taken once.
    """
    busy = set(Job.objects.filter(kind=kind, state__in=(State.QUEUED, State.RUNNING)).values_list("scope", flat=True))
    turn = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    made = []
    for team in sorted(DUE[kind](today=now.date()).keys() - busy):
        try:
            made.append(job_create(kind=kind, scope=team, title=TITLES[kind], slot=(f"{kind} {team}", turn)))
        except SlotTakenError:
            continue
    return made
