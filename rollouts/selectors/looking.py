"""What is counted of a rollout's trial until now, and the verdicts on it; nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q, Sum

from monitoring.models import Trial, TrialPairs, TrialWindow
from monitoring.selectors import trial_evidence
from monitoring.telemetry import WINDOW_SECONDS
from monitoring.trials.tally import REQUESTS
from rollouts.decisions import Counts
from rollouts.judging import Counted, Place, Sums, judge
from rollouts.measures import Measure, measures
from rollouts.models import Rollout
from rollouts.plans.plan import Plan
from rollouts.selectors.parts import part_of_row
from rollouts.verdicts import Verdict
from serving.contract import CANARY, CHAMPION

WINDOW = timedelta(seconds=WINDOW_SECONDS)
SUMS = ("exposed", "events", "first_events", "n", "total", "squares")


@dataclass(frozen=True)
class Looked:
    """Counts of the present phase, a verdict for each guardrail, and what is measured; none without a trial."""

    counts: Counts
    verdicts: list[Verdict]
    measures: list[Measure]


def look_at(rollout: Rollout, plan: Plan, *, now: datetime) -> Looked:
    """Return what is known of a rollout at ``now``."""
    if rollout.trial is None:
        return Looked(Counts(), [], [])
    evidence = trial_evidence(rollout.trial, now=now, since=rollout.phase_started_at)
    at = counts_by_guard(rollout.trial, now)
    counted = {found.guard.name: Counted(at.get(found.guard.name, {}), found.pairs) for found in evidence.guards}
    requests = sum(exposure.candidate_since for exposure in evidence.exposures)
    counts = _counts(rollout, now, evidence.distinct_keys, evidence.last_candidate_at, counted, requests)
    return Looked(counts, judge(plan, counted), measures(plan, counted))


def counts_by_guard(trial: Trial, now: datetime) -> dict[str, dict[Place, tuple[Sums, Sums]]]:
    """Return what each guardrail counted, by the candidate's weight and the part: of champion and candidate; shadows apart."""
    windows = TrialWindow.objects.filter(trial=trial, started_at__lte=now, arm__in=(CHAMPION, CANARY)).exclude(
        guard=REQUESTS
    )
    found: dict[str, dict[Place, dict[str, Sums]]] = {}
    placed = windows.annotate(part=part_of_row(trial)).values("guard", "weight_bp", "part", "arm")
    rows: Any = placed.annotate(**{f"sum_{name}": Sum(name) for name in SUMS})
    for row in rows.order_by("guard", "weight_bp", "part"):
        sums = Sums(*(row[f"sum_{name}"] for name in SUMS))
        found.setdefault(row["guard"], {}).setdefault((row["weight_bp"], row["part"]), {})[row["arm"]] = sums
    return {
        name: {place: (arms.get(CHAMPION, Sums()), arms.get(CANARY, Sums())) for place, arms in at.items()}
        for name, at in found.items()
    }


def _counts(
    rollout: Rollout, now: datetime, callers: int, last: datetime | None, tallied: Mapping[str, Counted], requests: int
) -> Counts:
    if rollout.shadow_bp and not rollout.weight_bp:
        since = Q(started_at__gte=rollout.phase_started_at - WINDOW, started_at__lte=now)
        pairs = TrialPairs.objects.filter(since, trial=rollout.trial, guard=REQUESTS)
        found = pairs.aggregate(n=Sum("answered_both"), last=Max("started_at"))
        requests, last = found["n"] or 0, found["last"] + WINDOW if found["last"] else None
    heard = max(rollout.phase_started_at, last) if last else rollout.phase_started_at
    return Counts(
        requests=requests,
        callers=callers,
        failures=max((one.failures for one in tallied.values()), default=0),
        quiet=max(now - heard, timedelta()),
    )
