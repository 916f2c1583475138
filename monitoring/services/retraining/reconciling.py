"""All models in turn: look at conditions where it is time, and move what goes on. One that cannot be looked at holds up no other."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from monitoring.models import Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.retraining.states import AT_WORK, State
from monitoring.selectors.retraining_drift import drift_turned, drifted_since
from monitoring.services.retraining.looking import observe, retraining_look
from monitoring.services.retraining.moving import retraining_move

logger = logging.getLogger(__name__)
PAUSES = 20  # between two looks, in lengths of the last one: looking takes a twentieth of the time at most


def reconcile_retrainings(*, now: datetime) -> None:
    """Look at each model whose turn it is and move each open retraining one step.

    A look at inputs that finds the drift that a policy asks about is followed at once.
    """
    watches = {watch.model_id: watch for watch in RetrainingWatch.objects.all()}
    waiting = set(Retraining.objects.filter(state=State.DUE).values_list("model_id", flat=True))
    policies = list(RetrainingPolicy.objects.in_force())
    drifted = drifted_since(policies, watches, now=now)
    held = set(Retraining.objects.filter(state=State.HELD).values_list("model_id", flat=True))
    for policy in policies:
        watch = watches.get(policy.model_id)
        if not (policy.enabled or policy.model_id in waiting | held):
            continue
        with _told(policy):
            turned = watch is not None and policy.model_id in drifted and drift_turned(policy, watch, now=now)
            if not (policy.model_id in waiting or turned or _is_time(policy, watch, now)):
                continue
            began = time.monotonic()
            seen = observe(policy, now=now)
            retraining_look(seen=replace(seen, took_s=time.monotonic() - began), now=now)
    moving = Retraining.objects.filter(state__in=[*AT_WORK, State.PROPOSED]).order_by("pk")
    for retraining in moving.select_related("policy__model"):
        with _told(retraining.policy):
            retraining_move(retraining_id=retraining.pk, now=now)


def _is_time(policy: RetrainingPolicy, watch: RetrainingWatch | None, now: datetime) -> bool:
    if watch is None or watch.looked_at is None or watch.policy_id != policy.pk:
        return True
    return now - watch.looked_at >= max(
        timedelta(seconds=policy.rules.look_every_s), PAUSES * timedelta(seconds=watch.looking_s)
    )


@contextmanager
def _told(policy: RetrainingPolicy) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        logger.exception("%s was not looked at", policy)
        RetrainingWatch.objects.filter(model=policy.model_id).update(fault=f"{type(error).__name__}: {error}"[:500])
