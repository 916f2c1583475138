"""What a canary spent of its model's error budgets: charged to the rollout."""

from datetime import datetime, timedelta
from typing import Any

from monitoring.models import Slo, TelemetryHour, TelemetryWindow
from monitoring.selectors import charged, slo_statuses
from monitoring.slo import arithmetic
from monitoring.slo_words import said_in_words
from monitoring.telemetry import WINDOW_SECONDS, Counts, merge_all
from rollouts.models import Rollout
from serving.contract import CANARY


def charge(rollout: Rollout, *, now: datetime) -> None:
    """Note what callers met of the candidate as canary so far, and which share of each budget that was."""
    counts = canary_counts(rollout)
    budget = [
        _share(status.slo, _spent(status.slo, rollout, counts, now=now), status.total)
        for status in slo_statuses(list(Slo.objects.filter(model=rollout.model)), now=now)
        if status.slo.kind != Slo.Kind.QUALITY  # labels come later; what is charged now would be a guess
    ]
    spent = {"canary_requests": counts.requests, "canary_failures": counts.errors, "budget": budget}
    if any(getattr(rollout, name) != value for name, value in spent.items()):
        Rollout.objects.filter(pk=rollout.pk).update(**spent)
        for name, value in spent.items():
            setattr(rollout, name, value)


def canary_counts(rollout: Rollout) -> Counts:
    """Return what the candidate answered as canary in this rollout.

    Hours are kept, windows for two days only; but an hour in which another rollout of the version ended is not all of this one.
    """
    of_canary: dict[str, Any] = {"version": rollout.candidate, "arm": CANARY}
    if rollout.ended_at:
        of_canary["started_at__lt"] = rollout.ended_at
    hour = rollout.started_at.replace(minute=0, second=0, microsecond=0)
    shared = Rollout.objects.filter(candidate=rollout.candidate, pk__lt=rollout.pk, ended_at__gte=hour).exists()
    windows = TelemetryWindow.objects.none()
    if shared:
        since, hour = rollout.started_at - timedelta(seconds=WINDOW_SECONDS), hour + timedelta(hours=1)
        windows = TelemetryWindow.objects.filter(**of_canary, started_at__gte=since, started_at__lt=hour)
    hours = TelemetryHour.objects.filter(**of_canary, started_at__gte=hour)
    return merge_all(row.counts() for row in [*windows, *hours])


def _spent(slo: Slo, rollout: Rollout, counts: Counts, *, now: datetime) -> tuple[int, int]:
    """Return what of (bad, total) the canary met; of an objective judged by slices those that are bad only because of it."""
    if slo.is_plain and not slo.by_slices:
        return arithmetic.bad_of_total(counts, slo.threshold_us)
    return charged(slo, version=rollout.candidate, since=rollout.started_at, until=rollout.ended_at or now)


def _share(slo: Slo, spent: tuple[int, int], whole: int) -> dict[str, Any]:
    """Return what one objective lost: what the canary spent over all that the budget of the whole window allows."""
    bad, total = spent
    allowed = (1 - float(slo.objective)) * max(whole, total)
    return {"objective": said_in_words(slo), "bad": bad, "total": total, "share": bad / allowed if allowed else None}
