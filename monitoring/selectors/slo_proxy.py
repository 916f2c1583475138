"""What stands in for labels until they are due: never part of a budget.

Two proxies, blind in different ways. The *estimate* is computed from a version's scores and the labelled rows that it was measured on: it
sees that other cases come in, and not that the same inputs come to mean another outcome. The *disagreement* of a shadow with who answers
sees that two versions decide differently on the same requests, and not which of both is right, nor where both are wrong.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, Sum

from experiments.metrics import wilson_interval
from monitoring.models import Slo, Trial, TrialPairs
from monitoring.quality.metrics import LEAST
from monitoring.quality.points import QualityPoint
from monitoring.selectors.quality import estimated_series
from monitoring.selectors.quality_policy import quality_policy_of
from monitoring.trials.guards import Guard
from registry.errors import InvalidError
from registry.models import Alias, ModelVersion
from serving.contract import CHAMPION

SUMS = ("answered_both", "missing", "alike", "only_champion", "n", "total")
DECISIONS = ("accuracy",)  # metrics that two versions can differ in only where their decisions differ


@dataclass(frozen=True)
class DisagreementProxy:
    """How often a version decided otherwise than the one that answered, on the same requests: a proxy of its quality.

    Attributes:
        version: that was asked as a shadow, and ``beside`` the one that answered; ``is_champion`` if the first answers by now.
        different: of ``pairs`` requests that both answered, with ``share`` and its 95% interval; None below 30 pairs.
        missing: requests that the shadow was to answer and never told of, and ``failed`` those it failed: no agreement.
        change: mean of its number minus the other's, where numbers are compared; else None.
        bounds: of requests of one row each, the objective's metric cannot differ between both by more than ``share``.
        since, until: when they arrived.
    """

    version: ModelVersion
    beside: ModelVersion
    is_champion: bool
    guard: Guard
    pairs: int
    different: int
    share: float | None
    low: float | None
    high: float | None
    missing: int
    failed: int
    change: float | None
    bounds: bool
    since: datetime
    until: datetime


def quality_proxy(slo: Slo, *, now: datetime) -> list[QualityPoint]:
    """Return what the metric probably is in the spans whose labels are not due yet, newest first; empty without an estimate."""
    span = timedelta(seconds=slo.slice_s or 0)
    try:
        points = estimated_series(slo.model, metric=slo.metric, since=_undue(slo, now), until=now, span=span, now=now)
    except InvalidError:
        return []
    return [point for point in reversed(points) if point.value is not None]


def disagreement_proxies(slo: Slo, *, now: datetime) -> list[DisagreementProxy]:
    """Return how often shadows decided otherwise, where a trial compares or compared answers pair by pair.

    First of the candidate that is asked now, of requests whose labels are not due yet; then of the champion, from the time when it was
    itself a shadow of the one before, all of its requests.
    """
    since, champion = _undue(slo, now), Alias.objects.filter(model=slo.model_id, name=CHAMPION).values("version")
    trials = Trial.objects.filter(model=slo.model_id).select_related("champion__model", "candidate__model")
    open_trial = trials.filter(closed_at__isnull=True).first()
    former = trials.filter(closed_at__isnull=False, candidate__in=champion).first()
    found = _of_trial(slo, open_trial, since=since, now=now) if open_trial else []
    return found + (_of_trial(slo, former, since=None, now=now, is_champion=True) if former else [])


def _undue(slo: Slo, now: datetime) -> datetime:
    """Return from when on predictions are so young that a span of theirs is not final."""
    return now - timedelta(seconds=(slo.maturity_s or 0) + (slo.slice_s or 0))


def _of_trial(
    slo: Slo, trial: Trial, *, since: datetime | None, now: datetime, is_champion: bool = False
) -> list[DisagreementProxy]:
    guards = {guard.name: guard for guard in trial.read_guards() if guard.kind in ("agreement", "pairs")}
    rows = TrialPairs.objects.filter(trial=trial, guard__in=guards, started_at__lte=now)
    rows = rows.filter(started_at__gte=since) if since else rows
    times = {"since": Min("started_at"), "until": Max("started_at")}
    sums: Any = rows.values("guard").annotate(**times, **{name: Sum(name) for name in SUMS})
    policy = quality_policy_of(slo.model)
    found = []
    for row in sums.order_by("guard"):
        guard, pairs = guards[row["guard"]], row["answered_both"]
        different = pairs - row["alike"]
        share, low, high = wilson_interval(different, pairs) if pairs >= LEAST else (None, None, None)
        decides = guard.threshold == policy.threshold and (guard.output or policy.output) == (
            policy.output or guard.output
        )
        found.append(
            DisagreementProxy(
                version=trial.candidate, beside=trial.champion, is_champion=is_champion, guard=guard, pairs=pairs,
                different=different, share=share, low=low, high=high, missing=row["missing"], failed=row["only_champion"],
                change=row["total"] / row["n"] if guard.kind == "pairs" and row["n"] else None,
                bounds=slo.metric in DECISIONS and not slo.input_slice and decides,
                since=row["since"], until=row["until"],
            )
        )  # fmt: skip
    return found
