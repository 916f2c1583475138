"""Verdicts on a rollout, kept as they come and go."""

import math
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from registry.audit_trail import audit
from registry.selectors import Check
from rollouts.decisions import Counts, Known
from rollouts.models import Rollout, RolloutVerdict
from rollouts.plans.plan import Plan
from rollouts.selectors.criteria import criteria_checks
from rollouts.selectors.looking import look_at
from rollouts.services.moves import PROCESS
from rollouts.verdicts import Outcome, Verdict

EARLIER = {
    Outcome.FAIL: "Failed earlier, which holds. At this look,",
    Outcome.PASS: "Passed earlier, which holds. At this look,",
}
FRESH_EVERY = timedelta(seconds=10)  # a verdict that says the same is written so often


@dataclass(frozen=True)
class Seen:
    """What there is to decide on."""

    counts: Counts
    verdicts: list[Known]
    criteria: list[Check]


def observe(rollout: Rollout, plan: Plan, *, now: datetime) -> Seen:
    """Judge what was counted until ``now`` and keep the verdicts; the rollout is locked."""
    looked = look_at(rollout, plan, now=now)
    rows = [_keep(rollout, verdict, now) for verdict in looked.verdicts]
    return Seen(looked.counts, known_of(plan, rows), criteria_checks(rollout, looked.measures, now=now))


def known_of(plan: Plan, rows: list[RolloutVerdict]) -> list[Known]:
    """Return kept verdicts as a decision takes them."""
    guards = {guard.name: guard for guard in plan.guardrails}
    return [Known(guards[row.metric], Outcome(row.outcome), row.sentence, row.detail.get("reason", "")) for row in rows]


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
        "sentence": verdict.sentence if outcome is verdict.outcome else f"{EARLIER[outcome]} {verdict.sentence}",
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
