"""Reads of monitoring: traffic of the last minutes, and how objectives stand."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour

from monitoring import slo as arithmetic
from monitoring.models import Slo, TelemetryHour, TelemetryWindow
from monitoring.telemetry import LATENCY_BINS, WINDOW_SECONDS, Counts, merge, merge_all, quantile
from registry.models import RegisteredModel
from serving.contract import SHADOW

WINDOW = timedelta(seconds=WINDOW_SECONDS)
FRESH = timedelta(minutes=1)
LAST_MINUTES = timedelta(minutes=5)
SPARK_STEPS = 60
SPARK_STEP = timedelta(seconds=30)
FAST = timedelta(hours=1)
SLOW = timedelta(hours=6)


@dataclass(frozen=True)
class Figures:
    """What can be read off the counts of some seconds."""

    counts: Counts
    seconds: float

    @property
    def requests_per_s(self) -> float:
        """Requests per second."""
        return self.counts.requests / self.seconds

    @property
    def error_rate(self) -> float | None:
        """Share of failed requests in [0, 1]; None without requests."""
        return self.counts.errors / self.counts.requests if self.counts.requests else None

    @property
    def p50_ms(self) -> float | None:
        """Median latency of answered requests in ms; None without any."""
        return _ms(self.counts, 0.5)

    @property
    def p99_ms(self) -> float | None:
        """99th percentile of latency of answered requests in ms; None without any."""
        return _ms(self.counts, 0.99)


@dataclass(frozen=True)
class ArmTraffic:
    """What one version did in one arm in the last five minutes, and half an hour of it in steps, oldest first."""

    number: int
    arm: str
    weight_bp: int  # as last seen
    last: Figures
    steps: list[Figures]


@dataclass(frozen=True)
class Traffic:
    """What a model's callers met in the last five minutes; shadow copies answer nobody and are in ``arms`` alone."""

    arms: list[ArmTraffic]
    last: Figures
    steps: list[Figures]
    counted_until: datetime | None  # end of the newest window; None if there is none within 48 hours


def traffic(model: RegisteredModel, *, now: datetime) -> Traffic:
    """Return the traffic of the last minutes, by version and arm."""
    of_model = TelemetryWindow.objects.filter(version__model=model)
    newest = of_model.order_by("-started_at").values_list("started_at", flat=True).first()
    # The newest window may still grow, so the steps end where it begins, unless no more is to be expected.
    end = newest if newest and now - newest < FRESH else now
    groups: dict[tuple[int, str], list[TelemetryWindow]] = {}
    recent = of_model.filter(started_at__gte=end - SPARK_STEPS * SPARK_STEP)
    for window in recent.select_related("version").order_by("started_at"):
        groups.setdefault((window.version.number, window.arm), []).append(window)
    arms = [
        ArmTraffic(number, arm, windows[-1].weight_bp, _last(windows, now), _steps(windows, end))
        for (number, arm), windows in sorted(groups.items())
    ]
    answered = [window for (_, arm), windows in groups.items() if arm != SHADOW for window in windows]
    return Traffic(arms, _last(answered, now), _steps(answered, end), newest + WINDOW if newest else None)


@dataclass(frozen=True)
class SloStatus:
    """How one objective stands.

    Attributes:
        bad, total: requests in the objective's window.
        sli: share of good ones; None without traffic.
        left: share of the error budget left, below 0 where overspent; None without traffic.
        fast, slow: burn rates over 1 h and 6 h; None without traffic.
        burn_down: (start of the step, share left after it), oldest first.
    """

    slo: Slo
    bad: int
    total: int
    sli: float | None
    left: float | None
    fast: float | None
    slow: float | None
    burn_down: list[tuple[datetime, float]]

    @property
    def standing(self) -> arithmetic.Standing:
        """Whether the objective is met."""
        return arithmetic.standing(left=self.left, fast=self.fast, slow=self.slow)

    @property
    def minutes_left(self) -> float | None:
        """What is left of the budget, as minutes of complete failure."""
        if self.left is None:
            return None
        minutes = arithmetic.budget_minutes(objective=float(self.slo.objective), window_days=self.slo.window_days)
        return self.left * minutes


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

    judged = [arithmetic.bad_of_total(counts, slo.threshold_us) for _, counts in steps]
    bad, total = sum(b for b, _ in judged), sum(t for _, t in judged)
    left = arithmetic.burn_down(judged, objective=objective)
    return SloStatus(
        slo=slo,
        bad=bad,
        total=total,
        sli=arithmetic.good_share(bad=bad, total=total),
        left=arithmetic.budget_left(bad=bad, total=total, objective=objective),
        fast=burn(fast),
        slow=burn(slow),
        burn_down=[(at, share) for (at, _), share in zip(steps, left, strict=True)] if left else [],
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
    hours = TelemetryHour.objects.filter(
        started_at__gte=now - timedelta(days=days),
        version__model__in={s.model_id for s in slos if s.window_days == days},
    )
    step = TruncHour("started_at") if days <= 7 else TruncDay("started_at")
    found: dict[int, list[tuple[datetime, Counts]]] = {}
    for key, counts in _summed(hours.annotate(step=step), "version__model_id", "step"):
        found.setdefault(key["version__model_id"], []).append((key["step"], counts))
    return found


def _summed(rows: QuerySet[Any], *by: str) -> Iterator[tuple[dict[str, Any], Counts]]:
    """Yield the sums over what callers met, grouped and ordered by the fields ``by``."""
    sums = {f"sum_{name}": Sum(name) for name in ("requests", "errors")}
    bins = {f"bin_{i}": Sum(f"latency__{i}") for i in range(LATENCY_BINS)}
    for row in rows.exclude(arm=SHADOW).values(*by).annotate(**sums, **bins).order_by(*by):
        latency = tuple(int(row[name]) for name in bins)
        yield row, Counts(requests=int(row["sum_requests"]), errors=int(row["sum_errors"]), latency=latency)


def _last(windows: list[TelemetryWindow], now: datetime) -> Figures:
    recent = [window for window in windows if window.started_at >= now - LAST_MINUTES]
    began = min((window.started_at for window in recent), default=now)
    seconds = max((now - began).total_seconds(), WINDOW_SECONDS)
    return Figures(merge_all(window.counts() for window in recent), seconds)


def _steps(windows: Iterable[TelemetryWindow], end: datetime) -> list[Figures]:
    steps = [Counts()] * SPARK_STEPS
    for window in windows:
        back = (end - window.started_at - WINDOW) // SPARK_STEP
        if 0 <= back < SPARK_STEPS:
            steps[-1 - back] = merge(steps[-1 - back], window.counts())
    return [Figures(counts, SPARK_STEP.total_seconds()) for counts in steps]


def _ms(counts: Counts, q: float) -> float | None:
    us = quantile(counts.latency, q)
    return None if us is None else us / 1000
