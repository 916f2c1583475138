"""What pages and API show of jobs."""

import json
import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, DateTimeField, DurationField, Expression, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Coalesce, Now

from jobs.leases import full_scopes, most_at_once, running_by_scope
from jobs.models import Job, JobQuerySet, LogLine
from jobs.states import State

COMPARED = 20
TAIL = 400
BEFORE_LINE = 100


@dataclass(frozen=True)
class LogWindow:
    """A run of a job's log: what comes before and after it is known by number."""

    lines: list[LogLine]
    first: int
    last: int
    total: int

    @property
    def earlier(self) -> int | None:
        """The line to ask for to see what comes before, None at the beginning."""
        return max(1, self.first - TAIL + BEFORE_LINE) if self.first > 1 else None

    @property
    def later(self) -> int:
        """The line to ask for to see what comes after."""
        return self.last + BEFORE_LINE

    @property
    def has_later(self) -> bool:
        """Whether lines are written that come after these."""
        return self.last < self.total


@dataclass(frozen=True)
class Output:
    """One entry of a job's result or parameters; ``is_link`` where the value is a path within this site."""

    name: str
    value: str
    is_link: bool


def jobs_filtered(
    scopes: list[str], *, kind: str = "", state: str = "", subject: str = "", text: str = ""
) -> JobQuerySet:
    """Return the jobs of ``scopes`` that match, newest first.

    Args:
        subject: what they are about, with all that lies beneath it: ``/models/x/`` takes in its versions.
        text: found in the title, subject or number.
    """
    jobs = Job.objects.in_scopes(scopes).order_by("-id").annotate(elapsed=_elapsed())
    if kind:
        jobs = jobs.filter(kind=kind)
    if state:
        jobs = jobs.filter(state=state)
    if subject:
        jobs = jobs.filter(subject__startswith=subject)
    if text:
        number = Q(pk=int(text)) if text.isascii() and text.isdigit() and len(text) < 19 else Q()
        jobs = jobs.filter(Q(title__icontains=text) | Q(subject__icontains=text) | number)
    return jobs


def kinds_seen(scopes: list[str]) -> list[str]:
    """Return the kinds of the jobs of ``scopes``."""
    return list(Job.objects.in_scopes(scopes).order_by("kind").values_list("kind", flat=True).distinct())


def expected_duration(job: Job) -> timedelta | None:
    """Return how long earlier jobs of the kind took, as the median of the latest; None where there are none."""
    earlier = Job.objects.filter(kind=job.kind, state="succeeded").exclude(pk=job.pk).order_by("-id")
    taken = earlier.annotate(elapsed=_elapsed()).values_list("elapsed", flat=True)[:COMPARED]
    return statistics.median(taken) if taken else None


@dataclass(frozen=True)
class Waiting:
    """Why a queued job has not begun.

    Attributes:
        reason: ``pause`` (after a failed attempt), ``team_limit``, or ``turn``: a worker will take it when those before it are taken.
        until: when the pause ends.
        ahead: how many jobs of its queue would be taken first, as things stand (count).
        running: how many of its team's jobs run in the queue now (count).
        limit: how many of them may run at once; None: as many as there are seats.
    """

    reason: str
    ahead: int
    running: int
    limit: int | None
    until: datetime | None = None

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        match self.reason:
            case "pause":
                return "It pauses after a failed attempt, and is then tried again by itself."
            case "team_limit":
                return f"Its team may run {self.limit} of this queue at once, and {self.running} run{'s' * (self.running == 1)}; it begins when one of them ends."
        if not self.ahead:
            return "It is the next that a worker of its queue takes."
        return f"{self.ahead} other{'s' * (self.ahead > 1)} of its queue {'go' if self.ahead > 1 else 'goes'} first, as things stand."


def waiting_of(job: Job) -> Waiting | None:
    """Return why ``job`` has not begun; None where it has, or has ended."""
    if job.state != State.QUEUED:
        return None
    running, limit = running_by_scope(job.queue), most_at_once(job.scope, job.queue)
    ours = running.get(job.scope, 0)
    if job.run_after and not Job.objects.waiting().filter(pk=job.pk).exists():
        return Waiting("pause", 0, ours, limit, job.run_after)
    full = full_scopes(job.queue, running)
    ahead = Job.objects.waiting().filter(queue=job.queue, priority__gte=job.priority).exclude(scope__in=full)
    theirs = (
        Case(*(When(scope=scope, then=count) for scope, count in running.items()), default=0) if running else Value(0)
    )
    earlier = Q(theirs__lt=ours) | Q(theirs=ours, pk__lt=job.pk)
    before = ahead.annotate(theirs=theirs).filter(Q(priority__gt=job.priority) | earlier).exclude(pk=job.pk).count()
    return Waiting("team_limit" if job.scope in full else "turn", before, ours, limit)


def log_window(job: Job, *, line: int | None = None, after: int | None = None) -> LogWindow:
    """Return the end of the log, or the part around ``line``, or what comes ``after`` a line."""
    total = job.log.order_by("number").values_list("number", flat=True).last() or 0
    start = max(0, total - TAIL)
    if after is not None:
        start = after
    elif line is not None:
        start = max(0, min(line - BEFORE_LINE, total - 1))
    lines = list(job.log.filter(number__gt=start, number__lte=start + TAIL))
    return LogWindow(lines, start + 1, lines[-1].number if lines else start, total)


def outputs(values: dict[str, Any]) -> list[Output]:
    """Return ``values`` for display, nested ones as JSON."""
    return [Output(name, _shown(value), _is_path(value)) for name, value in values.items()]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_path(value: Any) -> bool:
    """Tell whether ``value`` is a path of this site; a second slash would lead to another host."""
    return isinstance(value, str) and value.startswith("/") and value[1:2] not in ("/", "\\")


def _elapsed() -> Expression:
    """How long the latest attempt has run, by the database's clock."""
    until = Coalesce("finished_at", Now(), output_field=DateTimeField())
    return ExpressionWrapper(until - F("started_at"), output_field=DurationField())
