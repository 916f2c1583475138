"""Rollouts on their way, made by the services that alone may make them; what was counted is written as the shipper writes it."""

import math
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from monitoring.models import TelemetryWindow, TrialDisagreement, TrialPairs, TrialWindow
from monitoring.telemetry import LATENCY_BINS
from monitoring.trials.tally import REQUESTS
from rollouts.models import Rollout, RolloutAct, RolloutVerdict
from rollouts.plans.plan import Guardrail, Plan, Shadow, Step, plan_document
from rollouts.services.carrying import begin_shadow, begin_step
from rollouts.services.moves import locked
from rollouts.services.observing import observe
from rollouts.services.starting import open_trial
from tests import rollouts

PLAN = Plan(
    shadow=Shadow(duration_s=86_400, min_pairs=1000),
    steps=[
        Step(100, hold_s=1800, min_requests=500),
        Step(500, hold_s=7200, min_requests=12_000),
        Step(2000, hold_s=21_600, min_requests=60_000, min_callers=8_000),
        Step(5000, hold_s=43_200, min_requests=100_000, gate=True),
    ],
    guardrails=[
        Guardrail("errors", "errors"),
        Guardrail("latency", "slow", threshold_ms=15.0),
        Guardrail("alert rate", "output", output="probability", above=0.8, margin=1.2),
        Guardrail("agreement", "agreement", output="probability", cut=0.5, margin=0.97),
        Guardrail("recall", "quality", loss="correct", maturity_s=172_800, margin=0.02, decides=False),
    ],
    max_duration_s=604_800,
)  # fmt: skip


def begin(model=None, *, plan=PLAN, now=None) -> Rollout:
    """A rollout of ``plan`` that is about to begin."""
    return rollouts.make_rollout(
        model or rollouts.make_planned(plan=plan_document(plan)), at=now or timezone.now(), loaded=False
    )


def at_step(rollout, step=0, *, now=None, held=timedelta(minutes=10)) -> Rollout:
    """Take a rollout to a step of its plan, which it has held since."""
    now = now or timezone.now()
    with transaction.atomic():
        row, plan = locked(rollout.pk), rollout.plan
        if plan.shadow:
            begin_shadow(row, plan, "Gateways have loaded the candidate.", now=now - held)
        for i in range(step + 1):
            begin_step(row, plan, i, "No guardrail failed; hold, requests and exposure are met.", now=now - held)
    rollout.refresh_from_db()
    return rollout


def in_shadow(rollout, *, now=None, held=timedelta(minutes=10)) -> Rollout:
    with transaction.atomic():
        begin_shadow(
            locked(rollout.pk), rollout.plan, "Gateways have loaded the candidate.", now=(now or timezone.now()) - held
        )
    rollout.refresh_from_db()
    return rollout


def look(rollout, *, now=None) -> Rollout:
    """Judge what is counted, as the reconciler does before it decides."""
    now = now or timezone.now()
    with transaction.atomic():
        row = locked(rollout.pk)
        observe(row, row.plan, now=now)
        Rollout.objects.filter(pk=row.pk).update(checked_at=now)
    rollout.refresh_from_db()
    return rollout


def count(rollout, *, guard, arm, exposed, events=0, weight_bp=None, at=None, **sums) -> TrialWindow:
    """Add a window of one arm as one guardrail counts it."""
    at = at or timezone.now() - timedelta(seconds=30)
    return TrialWindow.objects.create(
        trial=rollout.trial, guard=guard, arm=arm, weight_bp=rollout.weight_bp if weight_bp is None else weight_bp,
        started_at=at.replace(microsecond=0, second=at.second // 10 * 10), exposed=exposed, events=events, first_events=events, **sums,
    )  # fmt: skip


def wave(i, low, high, turns):
    """A number between low and high that goes up and down, the same each time."""
    return low + (high - low) * (math.sin(i * turns) * 0.5 + 0.5)


def realistic(model=None, *, now=None) -> Rollout:
    """A rollout at 20% for 3 h 44 min: five guardrails, a shadow phase behind it, traffic, disagreements, and 200 lines of log."""
    now = (now or timezone.now()).replace(second=0, microsecond=0)
    held = timedelta(hours=3, minutes=44)
    rollout = begin(model, now=now - timedelta(hours=32))
    with transaction.atomic():
        row = locked(rollout.pk)
        open_trial(row, row.plan)
    began, before = now - timedelta(hours=30), ("shadow", 0)
    for after, at, state, weight in (
        ("rollout.shadow", began, "shadow", 0), ("rollout.step", now - held - timedelta(hours=2, minutes=32), "canary", 100),
        ("rollout.step", now - held - timedelta(hours=2), "canary", 500), ("rollout.step", now - held, "canary", 2000),
    ):  # fmt: skip
        text = (
            "Gateways have loaded the candidate."
            if state == "shadow"
            else "No guardrail failed; hold, requests and exposure are met."
        )
        RolloutAct.objects.create(
            rollout=rollout, action=after, before=before[0], after=state, weight_bp=weight, text=text, at=at
        )
        before = (state, weight)
    Rollout.objects.filter(pk=rollout.pk).update(state="shadow", shadow_bp=10_000)
    Rollout.objects.filter(pk=rollout.pk).update(
        state="canary", step=2, weight_bp=2000, shadow_bp=0, phase_started_at=now - held,
        deadline_at=now + timedelta(days=5), waiting_for="Holds for 6 h, 2 h 16 min to go. 41,464 of 60,000 answers by the candidate.",
    )  # fmt: skip
    rollout.refresh_from_db()
    trial = rollout.trial
    assert trial
    trial.opened_at, trial.candidate_keys = began, 9871
    trial.counted_until = trial.last_candidate_at = now
    trial.save()
    windows, telemetry = [], []
    for i in range(60):  # six minutes of requests in ten seconds each, as far as sums go
        at = now - held + held / 60 * i
        at = at.replace(second=0)
        for arm, share, worse in (("champion", 0.8, 1.0), ("canary", 0.2, 1.12)):
            n = round(3434 * share * wave(i, 0.8, 1.2, 0.4))
            per = {"errors": 0.0042, "latency": 0.011, "alert rate": 0.049}
            windows.append(TrialWindow(trial=trial, guard=REQUESTS, arm=arm, weight_bp=2000, started_at=at, exposed=n))
            for name, rate in per.items():
                hit = round(n * rate * (worse if name == "alert rate" else 1.0) * wave(i, 0.6, 1.4, 1.1 + share))
                windows.append(
                    TrialWindow(
                        trial=trial,
                        guard=name,
                        arm=arm,
                        weight_bp=2000,
                        started_at=at,
                        exposed=n,
                        events=hit,
                        first_events=hit,
                    )
                )
            latency = [0] * LATENCY_BINS
            for back, part in ((0, 0.01), (4, 0.09), (7, 0.4), (9, 0.5)):
                latency[LATENCY_BINS * 2 // 3 - back + (arm == "canary")] = round(n * part)
            telemetry.append(TelemetryWindow(
                table_version=88, version=rollout.champion if arm == "champion" else rollout.candidate, arm=arm,
                weight_bp=8000 if arm == "champion" else 2000, started_at=at, requests=sum(latency) + 5, errors=5, first_failures=5,
                rows=n, latency=latency,
            ))  # fmt: skip
    TrialWindow.objects.bulk_create(windows)
    TelemetryWindow.objects.bulk_create(telemetry)
    for guard, alike in ((REQUESTS, 0), ("agreement", 4108)):
        TrialPairs.objects.create(
            trial=trial, guard=guard, started_at=began, answered_both=4180, missing=212, alike=alike
        )
    TrialDisagreement.objects.bulk_create([
        TrialDisagreement(
            trial=trial, guard="agreement", request_id=f"req-{i:05d}", row=0, at=began + timedelta(minutes=i), size=round(0.9 - i * 0.008, 3),
            champion_outputs={"probability": round(0.05 + i * 0.002, 3)}, candidate_outputs={"probability": round(0.95 - i * 0.006, 3)},
            inputs={"distance": 2400 + i * 3, "carrier": "B6" if i % 3 else "AA", "dep_hour": 5 + i % 3},
        )
        for i in range(70)
    ])  # fmt: skip
    look(rollout, now=now)
    _long_log(rollout, now)
    look(rollout, now=now)
    return rollout


def _long_log(rollout, now) -> None:
    """Fill the log as days of looking do: verdicts that came and went."""
    latest = {v.metric: v for v in rollout.verdicts.order_by("metric", "-id").distinct("metric")}
    rows = []
    for i in range(190):
        of = latest[rollout.plan.guardrails[i % 5].name]
        outcome = ("inconclusive", "no_data", "inconclusive")[i % 3]
        rows.append(RolloutVerdict(
            rollout=rollout, metric=of.metric, state="canary", step=1, weight_bp=500, outcome=outcome, against=of.against, most_against=of.most_against,
            favour=of.favour, most_favour=of.most_favour, threshold=of.threshold, n=of.n, detail=of.detail, at=now - timedelta(minutes=500 - 2 * i),
            seen_at=now - timedelta(minutes=499 - 2 * i), sentence=f"{of.metric}: not decided. The evidence is {wave(i, 1, 9, 0.7):.1f} of 20.",
        ))  # fmt: skip
    RolloutVerdict.objects.bulk_create(rows)
