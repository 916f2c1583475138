"""Rollouts for tests: a plan that goes through in minutes, a gateway that says what it holds, and counts of a trial."""

import itertools
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from django.conf import settings

from monitoring.models import Trial, TrialPairs, TrialWindow
from monitoring.trials.tally import REQUESTS
from registry.models import ModelVersion, Role
from rollouts import services
from rollouts.models import Rollout
from serving.contract import STATE, GatewayState, LoadedVersion
from tests import factories
from tests.gateways import COLUMNS

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SLOW = {"name": "latency", "kind": "slow", "threshold_ms": 50.0}
ERRORS = {"name": "errors", "kind": "errors", "decides": False}
PLAN = {
    "steps": [{"weight_bp": 1000, "hold_s": 60, "min_requests": 100}, {"weight_bp": 5000, "hold_s": 60, "min_requests": 100}],
    "guardrails": [ERRORS, SLOW],
    "max_duration_s": 3600,
}  # fmt: skip
_numbers = itertools.count(1)


def make_routable(model) -> ModelVersion:
    """A verified version that a routing table can name; no gateway could load it."""
    version = factories.make_version(model, servable=False)
    number = next(_numbers)
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_state="verified", artifact_digest=f"sha256:{number:064x}", format="lightgbm",
        manifest=[{"path": "model.lgb", "size": 1, "sha256": f"{number:064x}"}],
        artifact_path=f"{model.pk}/v{version.number}", signature={"inputs": msgspec.to_builtins(COLUMNS)},
    )  # fmt: skip
    version.refresh_from_db()
    return version


def make_planned(team=None, plan=PLAN, **fields):
    """A model with a champion and a plan of its own."""
    model = factories.make_model(team, **fields)
    factories.approve(factories.make_promotion(model, version=make_routable(model)))
    services.plan_save(actor=factories.make_actor(model.team), model=model, document=plan, note="As agreed.")
    model.refresh_from_db()
    return model


def make_rollout(model=None, *, plan=PLAN, at=NOW, loaded=True) -> Rollout:
    """A rollout that begins at ``at``, of a candidate that gateways hold."""
    model = model or make_planned(plan=plan)
    candidate = make_routable(model)
    if loaded:
        gateways_hold(candidate)
    promotion = factories.approve(factories.make_promotion(model, version=candidate))
    rollout = services.rollout_start(promotion_id=promotion.pk, now=at)
    assert rollout
    return rollout


def look(rollout, after=0.0) -> Rollout:
    """Reconcile once, so many seconds after noon."""
    return services.rollout_reconcile(rollout_id=rollout.pk, now=NOW + timedelta(seconds=after))


def make_canary(model=None, *, plan=PLAN, step=0) -> Rollout:
    """A rollout that took its first step at noon."""
    return look(make_rollout(model, plan=plan))


def gateways_hold(*versions, spool="gw-1-a") -> None:
    """Have a living gateway say that it holds these versions."""
    loaded = [LoadedVersion(v.model.name, v.number, v.artifact_digest) for v in versions]
    path = Path(settings.SPOOL_ROOT) / spool / STATE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(GatewayState(spool, 1, "", {}, loaded, [])))
    os.utime(path, (time.time() + 3600,) * 2)  # it lives on, however slow the test is


def count(rollout, *, at=0.0, champion=(0, 0), candidate=(0, 0), failed=(0, 0)) -> None:
    """Count answers of both arms, and how many of them were slow, at the rollout's weight in the window that begins ``at`` after noon.

    Args:
        champion, candidate: (answers, slow ones).
        failed: requests that failed beside them, of champion and candidate.
    """
    trial = Trial.objects.get(rollout=rollout)
    started_at = NOW + timedelta(seconds=at)
    for arm, (answers, slow), errors in zip(("champion", "canary"), (champion, candidate), failed, strict=True):
        key = {"trial": trial, "arm": arm, "weight_bp": rollout.weight_bp, "started_at": started_at}
        TrialWindow.objects.create(guard="latency", exposed=answers, events=slow, first_events=slow, **key)
        TrialWindow.objects.create(guard="errors", exposed=answers + errors, events=errors, first_events=errors, **key)
        TrialWindow.objects.create(guard=REQUESTS, exposed=answers + errors, **key)
    if sum(candidate) + failed[1]:
        Trial.objects.filter(pk=trial.pk).update(last_candidate_at=started_at, counted_until=started_at)


def count_pairs(rollout, answered, alike, *, guard="decisions", at=0.0) -> None:
    """Count pairs of a shadow's answers and the callers'."""
    trial = Trial.objects.get(rollout=rollout)
    for name in (guard, REQUESTS):
        TrialPairs.objects.create(
            trial=trial, guard=name, started_at=NOW + timedelta(seconds=at), answered_both=answered, alike=alike
        )


def approver(rollout):
    """An approver who had no part in the version."""
    return factories.make_actor(rollout.model.team, Role.APPROVER)
