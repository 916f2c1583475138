"""Traffic of the last minutes, read off the telemetry windows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.models import TelemetryWindow
from monitoring.telemetry import WINDOW_SECONDS, Counts, merge, merge_all, quantile
from registry.models import RegisteredModel
from serving.contract import SHADOW

WINDOW = timedelta(seconds=WINDOW_SECONDS)
FRESH = timedelta(minutes=1)
LAST_MINUTES = timedelta(minutes=5)
SPARK_STEPS = 60
SPARK_STEP = timedelta(seconds=30)


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
        if any(window.requests or window.caller_faults for window in windows)  # not pinned requests alone
    ]
    answered = [window for (_, arm), windows in groups.items() if arm != SHADOW for window in windows]
    return Traffic(arms, _last(answered, now), _steps(answered, end), newest + WINDOW if newest else None)


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
