"""The lines of a rollout's charts: each guardrail in both arms over time, latency, and the evidence, in sixty steps."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import FloatField, Func, IntegerField, QuerySet, Sum, Value
from django.db.models.functions import Cast, Extract

from monitoring.models import TelemetryHour, TelemetryWindow, TrialPairs, TrialWindow
from monitoring.selectors.trials import SUMS
from monitoring.telemetry import LATENCY_BINS, WINDOW_SECONDS, quantile
from rollouts.judging import LATE, Place
from rollouts.models import Rollout
from rollouts.selectors.parts import part_of_row
from rollouts.verdicts import Origin, evidence_over_time
from serving.contract import BASIS_POINTS, CANARY, CHAMPION

STEPS = 60
KEPT_S = 20  # a page that polls every two seconds does not add up the windows each time
FINE = timedelta(hours=6)  # beyond, latency is read off the hours
Line = list[float | None]


@dataclass(frozen=True)
class GuardLines:
    """One guardrail over time.

    Attributes:
        champion, canary: value in each step; None without data.
        against, favour: natural logarithms of the evidence at the end of each step; empty where it is not a count of events.
    """

    champion: Line
    canary: Line
    against: Line
    favour: Line


@dataclass(frozen=True)
class RolloutLines:
    """All lines of a rollout, from its first step on, or over its shadow phase where there was none.

    Attributes:
        since, until: the ends of the time axis.
        p99: of champion and canary, in ms.
        marks: (share of the axis, weight in basis points) at which a step began.
    """

    since: datetime
    until: datetime
    guards: dict[str, GuardLines]
    p99: tuple[Line, Line]
    marks: list[tuple[float, int]]


def rollout_lines(rollout: Rollout, *, now: datetime) -> RolloutLines | None:
    """Return the lines, at most twenty seconds old; None before anything was counted."""
    if rollout.trial is None:
        return None
    key = f"rollout-lines-{rollout.pk}-{rollout.trial_id}-{rollout.weight_bp}-{rollout.state}"
    known: RolloutLines | None = cache.get(key)
    if known is None:
        known = _read(rollout, rollout.ended_at or now)
        cache.set(key, known, KEPT_S)
    return known


def _read(rollout: Rollout, until: datetime) -> RolloutLines:
    moves = list(rollout.acts.filter(weight_bp__gt=0).values_list("at", "weight_bp"))
    since = min((at for at, _ in moves), default=rollout.trial.opened_at if rollout.trial else rollout.started_at)
    until = max(until, since + timedelta(seconds=STEPS))
    span = (until - since).total_seconds()
    marks: dict[int, float] = {}
    for at, weight in moves:
        marks.setdefault(weight, min(max((at - since).total_seconds() / span, 0.0), 1.0))
    margins = {guard.name: guard.margin for guard in rollout.plan.guardrails}
    guards = _counted(rollout, since, until, margins) | _paired(rollout, since, until)
    p99 = _p99(rollout.champion_id, CHAMPION, since, until), _p99(rollout.candidate_id, CANARY, since, until)
    steps = int(WINDOW_SECONDS / (span / STEPS))
    return RolloutLines(
        since=since,
        until=until,
        guards={name: _held_all(lines, steps) for name, lines in guards.items()},
        p99=(held(p99[0], steps), held(p99[1], steps)),
        marks=sorted((share, weight) for weight, share in marks.items()),
    )


def held(line: Line, steps: int) -> Line:
    """Return the line with each value held for the ``steps`` that its window lasts, where no other follows.

    In a short rollout a step is shorter than a window, and points without neighbours are no line.
    """
    found: Line = []
    age = steps
    for value in line:
        age = 0 if value is not None else age + 1
        found.append(value if value is not None or age > steps or not found else found[-1])
    return found


def _held_all(lines: GuardLines, steps: int) -> GuardLines:
    return GuardLines(*(held(line, steps) for line in (lines.champion, lines.canary, lines.against, lines.favour)))


def _step(since: datetime, until: datetime) -> Func:
    """Return the step, from 1, that a row's ``started_at`` lies in."""
    at = Cast(Extract("started_at", "epoch"), FloatField())
    ends = (Value(end.timestamp(), FloatField()) for end in (since, until))
    return Func(at, *ends, Value(STEPS), function="width_bucket", output_field=IntegerField())


def _by_step(
    rows: QuerySet[TrialWindow] | QuerySet[TrialPairs],
    since: datetime,
    until: datetime,
    *,
    names: Sequence[str],
    by: Sequence[str],
) -> list[dict[str, int | float | str]]:
    found = rows.annotate(place=_step(since, until)).values("guard", "place", *by)
    return list(found.annotate(**{f"sum_{name}": Sum(name) for name in names}).order_by("guard", "place", *by))


def _counted(rollout: Rollout, since: datetime, until: datetime, margins: dict[str, float]) -> dict[str, GuardLines]:
    assert rollout.trial  # noqa: S101  the caller asked
    windows = TrialWindow.objects.filter(trial=rollout.trial, arm__in=(CHAMPION, CANARY)).exclude(guard="")
    windows = windows.annotate(part=part_of_row(rollout.trial))
    values: dict[str, dict[str, Line]] = defaultdict(lambda: {CHAMPION: [None] * STEPS, CANARY: [None] * STEPS})
    sums: dict[tuple[str, str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    origins: dict[str, dict[tuple[int, Place], list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for row in _by_step(windows, since, until, names=SUMS, by=("weight_bp", "part", "arm")):
        guard, arm, place = str(row["guard"]), str(row["arm"]), min(max(int(row["place"]) - 1, 0), STEPS - 1)
        part = sums[guard, arm, place]
        measured = bool(row["sum_n"])
        part[0] += float(row["sum_total"] if measured else row["sum_events"])
        part[1] += float(row["sum_n"] if measured else row["sum_exposed"])
        values[guard][arm][place] = part[0] / part[1] if part[1] else None
        if not measured and 0 < int(row["weight_bp"]) < BASIS_POINTS:
            origins[guard][place, (int(row["weight_bp"]), int(row["part"]))][arm == CANARY] += int(
                row["sum_first_events"]
            )
    found = {}
    for guard, arms in values.items():
        against, favour = _evidence(origins.get(guard, {}), margins.get(guard, 2.0))
        found[guard] = GuardLines(arms[CHAMPION], arms[CANARY], against, favour)
    return found


def _evidence(origins: dict[tuple[int, Place], list[int]], margin: float) -> tuple[Line, Line]:
    if not origins or margin <= 1:
        return [], []
    parts = {at: part for part, at in enumerate(sorted({at for _, at in origins}))}
    windows = [
        (place, Origin(at[0] / BASIS_POINTS, canary, champion, part=parts[at]))
        for (place, at), (champion, canary) in sorted(origins.items())
    ]
    against: Line = [None] * STEPS
    favour: Line = [None] * STEPS
    for place, one, other in evidence_over_time(windows, margin=margin, late=LATE):
        against[place], favour[place] = one, other
    return against, favour


def _paired(rollout: Rollout, since: datetime, until: datetime) -> dict[str, GuardLines]:
    kinds = {guard.name: guard.kind for guard in rollout.plan.guardrails}
    pairs = TrialPairs.objects.filter(trial=rollout.trial).exclude(guard="")
    found: dict[str, GuardLines] = {}
    for row in _by_step(pairs, since, until, names=("answered_both", "alike", "n", "total"), by=()):
        guard, place = str(row["guard"]), min(max(int(row["place"]) - 1, 0), STEPS - 1)
        kind = kinds.get(guard)
        of, n = ("alike", "answered_both") if kind == "agreement" else ("total", "n")
        if kind in ("agreement", "pairs") and row[f"sum_{n}"]:
            found.setdefault(guard, GuardLines([], [None] * STEPS, [], []))
            found[guard].canary[place] = float(row[f"sum_{of}"]) / float(row[f"sum_{n}"])
    return found


def _p99(version_id: int, arm: str, since: datetime, until: datetime) -> Line:
    source = TelemetryWindow if until - since <= FINE else TelemetryHour
    rows = source.objects.filter(version=version_id, arm=arm, started_at__gte=since, started_at__lte=until)
    summed: dict[int, list[int]] = defaultdict(lambda: [0] * LATENCY_BINS)
    span = (until - since).total_seconds()
    for at, latency in rows.values_list("started_at", "latency"):
        place = min(int((at - since).total_seconds() / span * STEPS), STEPS - 1)
        summed[place] = [a + b for a, b in zip(summed[place], latency, strict=True)]
    found: Line = [None] * STEPS
    for place, latency in summed.items():
        us = quantile(latency, 0.99)
        found[place] = None if us is None else us / 1000
    return found
