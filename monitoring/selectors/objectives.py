"""How objectives stand, in a number of queries that does not grow with them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour

from monitoring import slo as arithmetic
from monitoring.models import Slo, TelemetryHour, TelemetryWindow
from monitoring.telemetry import LATENCY_BINS, Counts, merge
from serving.contract import SHADOW

FAST = timedelta(hours=1)
SLOW = timedelta(hours=6)
HOURLY_DAYS = 7  # windows up to this long are drawn by hour


@dataclass(frozen=True)
class Step:
    """One hour or day of an objective's window: what happened in it, and the share of the budget left after it."""

    at: datetime
    bad: int
    total: int
    left: float | None  # None where the whole window has no traffic


@dataclass(frozen=True)
class SloStatus:
    """How one objective stands.

    Attributes:
        bad, total: requests in the objective's window.
        sli: share of good ones; None without traffic.
        left: share of the error budget left, below 0 where overspent; None without traffic.
        fast, slow: burn rates over 1 h and 6 h; None without traffic.
        steps: the window's hours or days, oldest first.
    """

    slo: Slo
    bad: int
    total: int
    sli: float | None
    left: float | None
    fast: float | None
    slow: float | None
    steps: list[Step]

    @property
    def standing(self) -> arithmetic.Standing:
        """Whether the objective is met."""
        return arithmetic.standing(left=self.left, fast=self.fast, slow=self.slow)

    @property
    def spent(self) -> float | None:
        """How many times the budget was spent; 1 is all of it."""
        return None if self.left is None else 1 - self.left

    @property
    def by_hour(self) -> bool:
        """Whether the steps are hours; else they are days."""
        return self.slo.window_days <= HOURLY_DAYS

    @property
    def minutes_left(self) -> float | None:
        """What is left of the budget, as minutes of complete failure."""
        if self.left is None:
            return None
        minutes = arithmetic.budget_minutes(objective=float(self.slo.objective), window_days=self.slo.window_days)
        return self.left * minutes

    @property
    def seconds_left(self) -> float | None:
        """What is left of the budget, as seconds of complete failure; none of an overspent one."""
        return None if self.minutes_left is None else max(self.minutes_left, 0) * 60


def slo_statuses(slos: Sequence[Slo], *, now: datetime) -> list[SloStatus]:
    """Return how each objective stands, in a number of queries that does not grow with them."""
    models = {slo.model_id for slo in slos}
    fast, slow = (_counts_since(models, now - span) for span in (FAST, SLOW))
    steps = {days: _steps_of_window(slos, days, now) for days in {slo.window_days for slo in slos}}
    return [
        _status(slo, steps[slo.window_days].get(slo.model_id, []), fast.get(slo.model_id), slow.get(slo.model_id))
        for slo in slos
    ]


def _status(slo: Slo, steps: list[tuple[datetime, Counts]], fast: Counts | None, slow: Counts | None) -> SloStatus:
    objective = float(slo.objective)

    def burn(counts: Counts | None) -> float | None:
        bad, total = arithmetic.bad_of_total(counts or Counts(), slo.threshold_us)
        return arithmetic.burn_rate(bad=bad, total=total, objective=objective)

    judged = [(at, *arithmetic.bad_of_total(counts, slo.threshold_us)) for at, counts in steps]
    bad, total = sum(bad for _, bad, _ in judged), sum(total for _, _, total in judged)
    shares = arithmetic.burn_down([(bad, total) for _, bad, total in judged], objective=objective)
    return SloStatus(
        slo=slo,
        bad=bad,
        total=total,
        sli=arithmetic.good_share(bad=bad, total=total),
        left=arithmetic.budget_left(bad=bad, total=total, objective=objective),
        fast=burn(fast),
        slow=burn(slow),
        steps=[Step(at, bad, total, left) for (at, bad, total), left in zip_longest(judged, shares)],
    )


def _counts_since(models: Iterable[int], since: datetime) -> dict[int, Counts]:
    """Return the counts of each model since an instant: windows up to the next full hour, hours from there on."""
    hour = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    counts: dict[int, Counts] = {}
    for rows in (
        TelemetryWindow.objects.filter(started_at__gte=since, started_at__lt=hour),
        TelemetryHour.objects.filter(started_at__gte=hour),
    ):
        for key, added in _summed(rows.filter(version__model__in=models), "version__model_id"):
            counts[key["version__model_id"]] = merge(counts.get(key["version__model_id"], Counts()), added)
    return counts


def _steps_of_window(slos: Sequence[Slo], days: int, now: datetime) -> dict[int, list[tuple[datetime, Counts]]]:
    """Return the counts of each model in a window of ``days``, by hour in a short one, else by day, oldest first."""
    models = {slo.model_id for slo in slos if slo.window_days == days}
    by_hour = days <= HOURLY_DAYS
    step = TruncHour("started_at") if by_hour else TruncDay("started_at")
    hours = TelemetryHour.objects.filter(started_at__gte=now - timedelta(days=days), version__model__in=models)
    found = {
        (key["version__model_id"], key["step"]): counts
        for key, counts in _summed(hours.annotate(step=step), "version__model_id", "step")
    }
    starts = _starts(now - timedelta(days=days), now, by_hour=by_hour)
    return {model: [(at, found.get((model, at), Counts())) for at in starts] for model in models}


def _starts(since: datetime, now: datetime, *, by_hour: bool) -> list[datetime]:
    """Return the starts of the hours or days between two instants; those without traffic count too."""
    length = timedelta(hours=1) if by_hour else timedelta(days=1)
    at = since.replace(minute=0, second=0, microsecond=0)
    at = at if by_hour else at.replace(hour=0)
    return [at + n * length for n in range((now - at) // length + 1)]


def _summed(rows: QuerySet[Any], *by: str) -> Iterator[tuple[dict[str, Any], Counts]]:
    """Yield the sums over what callers met, grouped and ordered by the fields ``by``."""
    sums = {f"sum_{name}": Sum(name) for name in ("requests", "errors")}
    bins = {f"bin_{i}": Sum(f"latency__{i}") for i in range(LATENCY_BINS)}
    for row in rows.exclude(arm=SHADOW).values(*by).annotate(**sums, **bins).order_by(*by):
        latency = tuple(int(row[name]) for name in bins)
        yield row, Counts(requests=int(row["sum_requests"]), errors=int(row["sum_errors"]), latency=latency)
