"""What is known of a rollout now: counts of its trial, and a verdict for each guardrail, kept as they come and go."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q, Sum

from monitoring.models import Trial, TrialPairs, TrialWindow
from monitoring.selectors import trial_evidence
from monitoring.telemetry import WINDOW_SECONDS
from monitoring.trial_tally import REQUESTS
from registry.audit_trail import audit
from rollouts.decisions import Counts, Known
from rollouts.judging import Counted, Sums, judge
from rollouts.models import Rollout, RolloutVerdict
from rollouts.plan import Plan
from rollouts.services.moves import PROCESS
from rollouts.verdicts import Outcome, Verdict
from serving.contract import CANARY, CHAMPION

WINDOW = timedelta(seconds=WINDOW_SECONDS)
SUMS = ("exposed", "events", "first_events", "n", "total", "squares")
FRESH_EVERY = timedelta(seconds=10)  # a verdict that says the same is written so often


@dataclass(frozen=True)
class Seen:
    """What there is to decide on."""

    counts: Counts
    verdicts: list[Known]


def observe(rollout: Rollout, plan: Plan, *, now: datetime) -> Seen:
    """Judge what was counted until ``now`` and keep the verdicts; the rollout is locked. Without a trial nothing is known."""
    if rollout.trial is None:
        return Seen(Counts(), [])
    evidence = trial_evidence(rollout.trial, now=now, since=rollout.phase_started_at)
    counted = counts_by_guard(rollout.trial, now)
    pairs = {found.guard.name: found.pairs for found in evidence.guards}
    tallied = {name: Counted(at, pairs.get(name, Counted().pairs)) for name, at in counted.items()}
    tallied |= {name: Counted(pairs=found) for name, found in pairs.items() if name not in tallied}
    known = [_keep(rollout, verdict, now) for verdict in judge(plan, tallied)]
    guards = {guard.name: guard for guard in plan.guardrails}
    counts = _counts(
        rollout,
        now,
        evidence.distinct_keys,
        evidence.last_candidate_at,
        tallied,
        sum(e.candidate_since for e in evidence.exposures),
    )
    return Seen(
        counts,
        [Known(guards[row.metric], Outcome(row.outcome), row.sentence, row.detail.get("reason", "")) for row in known],
    )


def counts_by_guard(trial: Trial, now: datetime) -> dict[str, dict[int, tuple[Sums, Sums]]]:
    """Return what each guardrail counted, by the candidate's weight: of champion and candidate; shadows apart."""
    windows = TrialWindow.objects.filter(trial=trial, started_at__lte=now, arm__in=(CHAMPION, CANARY)).exclude(
        guard=REQUESTS
    )
    found: dict[str, dict[int, dict[str, Sums]]] = {}
    rows: Any = windows.values("guard", "weight_bp", "arm").annotate(**{f"sum_{name}": Sum(name) for name in SUMS})
    for row in rows.order_by("guard", "weight_bp"):
        sums = Sums(*(row[f"sum_{name}"] for name in SUMS))
        found.setdefault(row["guard"], {}).setdefault(row["weight_bp"], {})[row["arm"]] = sums
    return {
        name: {weight: (arms.get(CHAMPION, Sums()), arms.get(CANARY, Sums())) for weight, arms in at.items()}
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


def _keep(rollout: Rollout, verdict: Verdict, now: datetime) -> RolloutVerdict:
    """Keep a verdict: another row where the outcome or the phase is another, else the latest row made fresh.

    What once reached its threshold has decided, whatever is known later; and a fail outweighs a pass.
    """
    latest = RolloutVerdict.objects.filter(rollout=rollout, metric=verdict.metric).first()
    against, favour = _finite(verdict.evidence_against), _finite(verdict.evidence_for)
    most_against = max(against, latest.most_against) if latest else against
    most_favour = max(favour, latest.most_favour) if latest else favour
    outcome = verdict.outcome
    if most_against >= verdict.threshold:
        outcome = Outcome.FAIL
    elif most_favour >= verdict.pass_threshold and outcome is not Outcome.NO_DATA:
        outcome = Outcome.PASS
    fresh = {
        "against": against, "most_against": most_against, "favour": favour, "most_favour": most_favour,
        "threshold": verdict.threshold, "n": verdict.n, "detail": detail_of(verdict), "seen_at": now,
        "sentence": verdict.sentence if outcome is verdict.outcome else f"Decided before. {verdict.sentence}",
    }  # fmt: skip
    phase = {"state": rollout.state, "step": rollout.step, "weight_bp": rollout.weight_bp}
    if latest and latest.outcome == outcome and (latest.step, latest.weight_bp) == (rollout.step, rollout.weight_bp):
        if latest.n != verdict.n or latest.detail != fresh["detail"] or now - latest.seen_at >= FRESH_EVERY:
            for name, value in fresh.items():
                setattr(latest, name, value)
            latest.save(update_fields=list(fresh))
        return latest
    row = RolloutVerdict.objects.create(
        rollout=rollout, metric=verdict.metric, outcome=outcome, at=now, **phase, **fresh
    )
    if latest is None or latest.outcome != outcome:
        audit(
            action="rollout.verdict", subject=rollout.path, actor=None, process=PROCESS, team=rollout.model.team.slug,
            payload={"metric": verdict.metric, "outcome": outcome, "before": latest.outcome if latest else None,
                     "against": against, "favour": favour, "threshold": verdict.threshold, "n": verdict.n,
                     "sentence": verdict.sentence, "weight_bp": rollout.weight_bp},
        )  # fmt: skip
    return row


def detail_of(verdict: Verdict) -> dict[str, Any]:
    """Return the whole verdict as JSON has it: what is infinite is null."""
    plain: dict[str, Any] = _plain(asdict(verdict))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _finite(value: float) -> float:
    """Return a natural logarithm as PostgreSQL and JSON take it: what is beyond every threshold stays so."""
    return min(max(value, -1e300), 1e300)
