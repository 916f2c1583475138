"""Acceptance criteria that a rollout is held against: those of its promotion that ask for a shadow or a canary."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from registry.models import AcceptanceCriterion, Evidence
from registry.selectors import Check, CheckStatus, rollout_checks
from rollouts.decisions import Gate
from rollouts.measures import Measure
from rollouts.models import Rollout
from rollouts.selectors.labelled import labelled_evidence

Phase = AcceptanceCriterion.Phase


def criteria_checks(rollout: Rollout, measured: Iterable[Measure] | None, *, now: datetime) -> list[Check]:
    """Return each criterion of the rollout as a check, those of the shadow first.

    Args:
        measured: what is measured now; None where the rollout is over, and what it recorded counts.
    """
    asked = criteria_of(rollout)
    if not asked:
        return []
    found = None if measured is None else evidence_so_far(rollout, measured, asked, now=now)
    at = rollout.ended_at or now
    return [
        check
        for phase in (Phase.SHADOW, Phase.CANARY)
        for check in rollout_checks(rollout.promotion, phase, found, at=at)
    ]


def criteria_of(rollout: Rollout) -> list[AcceptanceCriterion]:
    """Return what the promotion asks of a shadow or a canary."""
    return list(rollout.promotion.criteria_set.criteria.exclude(phase=Phase.BEFORE_APPROVAL))


def evidence_so_far(
    rollout: Rollout, measured: Iterable[Measure], asked: list[AcceptanceCriterion], *, now: datetime
) -> list[Evidence]:
    """Return what guardrails counted and labels tell of the candidate by now, as evidence that is not recorded."""
    return [evidence_of(rollout, one, now=now) for one in measured] + labelled_evidence(rollout, asked, now=now)


def evidence_of(rollout: Rollout, measure: Measure, *, now: datetime) -> Evidence:
    """Return a measure as evidence that is not recorded."""
    return Evidence(
        version=rollout.candidate, kind=Evidence.Kind.SHADOW if measure.shadow else Evidence.Kind.CANARY,
        metric=measure.metric, value=measure.value, ci_low=measure.low, ci_high=measure.high, sample_size=measure.n,
        against=rollout.champion if measure.against else None, artifact_digest=rollout.candidate.artifact_digest,
        data_set="production", measured_at=now, detail={"guardrail": measure.guard},
    )  # fmt: skip


def criteria_gates(checks: Sequence[Check], phases: Iterable[str]) -> tuple[Gate, ...]:
    """Return the gates of the phases that end: one for each criterion that blocks a promotion where it is missed."""
    return tuple(
        Gate(f"criterion:{check.criterion.position}", not check.blocks, _said(check))
        for check in checks
        if check.criterion.blocking and check.criterion.phase in phases
    )


def due_in(rollout: Rollout) -> list[str]:
    """Return the phases whose criteria are due before what comes next; none where another step does."""
    if rollout.shadow_bp and not rollout.weight_bp:
        return [Phase.SHADOW]
    if rollout.step + 1 < len(rollout.plan.steps):
        return []
    return [Phase.CANARY] if rollout.plan.shadow else [Phase.SHADOW, Phase.CANARY]


def _said(check: Check) -> str:
    asked = f"{check.title} {check.sign} {check.criterion.threshold:g}"
    if check.evidence is None or check.status is CheckStatus.NOT_MEASURED:
        missing = "no interval is measured" if check.evidence else "nothing in this rollout has measured it yet"
        return f"{asked}: {missing}."
    low, high = check.evidence.ci_low, check.evidence.ci_high
    within = "" if low is None or high is None else f" ({low:.3g} to {high:.3g})"
    return f"{asked}: {check.status_label.lower()}, {check.evidence.value:.3g}{within} measured."
