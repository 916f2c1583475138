"""What was counted of a trial: plain numbers for the verdicts, and the windows in order of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum

from monitoring.models import Trial, TrialPairs, TrialWindow
from monitoring.models.telemetry import TelemetryWindow
from monitoring.telemetry import scored_above, slower_than
from monitoring.trials.guards import Guard
from monitoring.trials.tally import REQUESTS
from registry.models import RegisteredModel
from serving.contract import CANARY, CHAMPION, SHADOW

SUMS = ("exposed", "events", "first_events", "n", "total", "squares")
PAIR_SUMS = ("answered_both", "missing", "alike", "only_champion", "only_candidate", "n", "total", "squares")


@dataclass(frozen=True)
class AtWeight:
    """First events of a guard, by the arm they came from, while the candidate had this share (basis points)."""

    weight_bp: int
    champion: int = 0
    candidate: int = 0


@dataclass(frozen=True)
class ArmSums:
    """What one arm did, as one guard counts it.

    Attributes:
        exposed: requests that could have had an event; of a guard of quality, predictions past their maturity.
        events: requests that had one.
        first_events: those of a key that had none before in either arm.
        n, total, squares: values measured, their sum and that of their squares; of quality the labelled ones.
    """

    exposed: int = 0
    events: int = 0
    first_events: int = 0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True)
class PairSums:
    """What a shadow answered beside the champion. See :class:`monitoring.models.TrialPairs`."""

    answered_both: int = 0
    missing: int = 0
    alike: int = 0
    only_champion: int = 0
    only_candidate: int = 0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True)
class GuardEvidence:
    """What was counted for one guard, over the whole trial.

    Attributes:
        first_events: by weight, rising; shadows apart.
    """

    guard: Guard
    first_events: tuple[AtWeight, ...] = ()
    champion: ArmSums = ArmSums()
    candidate: ArmSums = ArmSums()
    shadow: ArmSums = ArmSums()
    pairs: PairSums = PairSums()


@dataclass(frozen=True)
class Exposure:
    """Requests that were routed while the candidate had this share: over the whole trial, and in windows since an instant."""

    weight_bp: int
    champion: int = 0
    candidate: int = 0
    champion_since: int = 0
    candidate_since: int = 0


@dataclass(frozen=True)
class TrialEvidence:
    """All that is counted of a trial.

    Attributes:
        guards: in the order of the trial's.
        exposures: by weight, rising; shadows apart.
        pairs: requests that a shadow was asked too.
        distinct_keys: different keys that the candidate answered, up to 100,000.
        counted_until: arrival of the latest request that is counted; None before the first.
        last_candidate_at: arrival of the latest request that the candidate answered as canary; None before the first.
    """

    trial_id: int
    guards: tuple[GuardEvidence, ...]
    exposures: tuple[Exposure, ...]
    pairs: PairSums
    distinct_keys: int
    counted_until: datetime | None
    last_candidate_at: datetime | None

    def of(self, name: str) -> GuardEvidence:
        """Return the evidence of the guard called ``name``.

        Raises:
            KeyError: the trial has no such guard.
        """
        return {evidence.guard.name: evidence for evidence in self.guards}[name]


@dataclass(frozen=True)
class TrialStep:
    """One window of one arm, as one guard counts it; ``guard`` is empty where requests are counted."""

    started_at: datetime
    guard: str
    arm: str
    weight_bp: int
    sums: ArmSums


@dataclass(frozen=True)
class PairStep:
    """Ten seconds of pairs, as one guard compares them; ``guard`` is empty where pairs themselves are counted."""

    started_at: datetime
    guard: str
    sums: PairSums


@dataclass(frozen=True)
class RecordedWindow:
    """Ten seconds of one version in one arm, as the telemetry has them."""

    started_at: datetime
    number: int
    arm: str
    weight_bp: int
    requests: int
    errors: int
    first_failures: int
    latency: tuple[int, ...]
    scores: tuple[int, ...]

    def scored(self, *, above: float | None = None, below: float | None = None) -> float | None:
        """Return how many predictions scored above or below a bound in [0, 1]: exact at a bin's edge, else in proportion; None without scores."""
        if not sum(self.scores):
            return None
        if above is not None:
            return scored_above(self.scores, above)
        return sum(self.scores) - scored_above(self.scores, below or 0.0)

    def slower_than(self, threshold_ms: float) -> float:
        """Return how many were answered later than that: exact at a bin's edge, within a bin in proportion (an estimate)."""
        return slower_than(self.latency, threshold_ms * 1000)


def trial_evidence(trial: Trial, *, now: datetime, since: datetime | None = None) -> TrialEvidence:
    """Return what is counted of a trial until now; ``trial`` is read anew.

    Args:
        now: what began later is left out.
        since: exposures are also counted in the windows that began from here on, such as the present step's.
    """
    trial = Trial.objects.get(pk=trial.pk)
    windows = TrialWindow.objects.filter(trial=trial, started_at__lte=now)
    sums = {"since": Sum("exposed", filter=Q(started_at__gte=since or now))} | {name: Sum(name) for name in SUMS}
    by_guard: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    rows: Any = windows.values("guard", "arm", "weight_bp").annotate(**sums)
    for row in rows:
        by_guard.setdefault(row["guard"], {})[row["arm"], row["weight_bp"]] = row
    compared = TrialPairs.objects.filter(trial=trial, started_at__lte=now).values("guard")
    rows = compared.annotate(**{name: Sum(name) for name in PAIR_SUMS})
    pairs = {row["guard"]: PairSums(*(row[name] for name in PAIR_SUMS)) for row in rows}
    return TrialEvidence(
        trial_id=trial.pk,
        guards=tuple(
            _guard_evidence(guard, by_guard.get(guard.name, {}), pairs.get(guard.name, PairSums()))
            for guard in trial.read_guards()
        ),
        exposures=_exposures(by_guard.get(REQUESTS, {})),
        pairs=pairs.get(REQUESTS, PairSums()),
        distinct_keys=trial.candidate_keys,
        counted_until=trial.counted_until,
        last_candidate_at=trial.last_candidate_at,
    )


def trial_series(trial: Trial, *, since: datetime | None = None) -> list[TrialStep]:
    """Return the windows that began from ``since`` on, in order of time."""
    windows = TrialWindow.objects.filter(trial=trial).order_by("started_at", "guard", "weight_bp", "arm")
    return [
        TrialStep(w.started_at, w.guard, w.arm, w.weight_bp, ArmSums(*(getattr(w, name) for name in SUMS)))
        for w in (windows.filter(started_at__gte=since) if since else windows)
    ]


def pair_series(trial: Trial, *, since: datetime | None = None) -> list[PairStep]:
    """Return the same of pairs."""
    pairs = TrialPairs.objects.filter(trial=trial).order_by("started_at", "guard")
    return [
        PairStep(p.started_at, p.guard, PairSums(*(getattr(p, name) for name in PAIR_SUMS)))
        for p in (pairs.filter(started_at__gte=since) if since else pairs)
    ]


def recorded(model: RegisteredModel, *, since: datetime) -> list[RecordedWindow]:
    """Return the telemetry of a model's callers since an instant, in order of time; it is kept 48 hours. Shadows are left out."""
    windows = TelemetryWindow.objects.filter(version__model=model, started_at__gte=since).exclude(arm=SHADOW)
    rows = windows.filter(requests__gt=0).select_related("version")
    return [
        RecordedWindow(
            w.started_at,
            w.version.number,
            w.arm,
            w.weight_bp,
            w.requests,
            w.errors,
            w.first_failures,
            tuple(w.latency),
            tuple(w.scores),
        )
        for w in rows.order_by("started_at", "arm", "version", "weight_bp", "table_version")
    ]


def _guard_evidence(guard: Guard, rows: dict[tuple[str, int], dict[str, Any]], pairs: PairSums) -> GuardEvidence:
    weights = sorted({weight for arm, weight in rows if arm != SHADOW})
    return GuardEvidence(
        guard=guard,
        first_events=tuple(
            AtWeight(weight, _at(rows, CHAMPION, weight)["first_events"], _at(rows, CANARY, weight)["first_events"])
            for weight in weights
        ),
        champion=_arm_sums(rows, CHAMPION),
        candidate=_arm_sums(rows, CANARY),
        shadow=_arm_sums(rows, SHADOW),
        pairs=pairs,
    )


def _exposures(rows: dict[tuple[str, int], dict[str, Any]]) -> tuple[Exposure, ...]:
    weights = sorted({weight for arm, weight in rows if arm != SHADOW})
    both = ((weight, _at(rows, CHAMPION, weight), _at(rows, CANARY, weight)) for weight in weights)
    return tuple(
        Exposure(weight, champion["exposed"], canary["exposed"], champion["since"] or 0, canary["since"] or 0)
        for weight, champion, canary in both
    )


_NOTHING = dict.fromkeys((*SUMS, "since"), 0)


def _at(rows: dict[tuple[str, int], dict[str, Any]], arm: str, weight_bp: int) -> dict[str, Any]:
    return rows.get((arm, weight_bp), _NOTHING)


def _arm_sums(rows: dict[tuple[str, int], dict[str, Any]], arm: str) -> ArmSums:
    of_arm = [row for (name, _), row in rows.items() if name == arm]
    return ArmSums(*(sum(row[name] for row in of_arm) for name in SUMS))
