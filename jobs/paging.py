"""Pages of jobs, newest first, by the number of the job at the edge: deep pages cost what the first one costs."""

import re
from dataclasses import dataclass

from jobs.models import Job, JobQuerySet

SIZE = 50


@dataclass(frozen=True)
class Page:
    """One page of jobs, with the cursors of its neighbours (None at an end)."""

    rows: list[Job]
    next: str | None
    previous: str | None


def page_of(jobs: JobQuerySet, cursor: str, *, size: int = SIZE) -> Page:
    """Return the page at ``cursor``: ``<120`` is older than job 120, ``>120`` newer; anything else is the newest."""
    at = re.fullmatch(r"([<>])([0-9]{1,18})", cursor)
    newer = at is not None and at[1] == ">"
    if at:
        jobs = jobs.filter(pk__gt=at[2]) if newer else jobs.filter(pk__lt=at[2])
    rows = list(jobs.order_by("id" if newer else "-id")[: size + 1])
    more = len(rows) > size  # beyond the far edge, seen from the cursor
    rows = rows[:size]
    if newer:
        rows.reverse()
    if not rows:
        return Page([], None, None)
    next_ = f"<{rows[-1].pk}" if newer or more else None
    previous = f">{rows[0].pk}" if (more if newer else at) else None
    return Page(rows, next_, previous)
