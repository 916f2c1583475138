"""Retrainings as pages and API show them: lists, what is known of each model, and what a policy would have done."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from monitoring.labelling.rows import label_times
from monitoring.models import DriftReport, DriftWindow, Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.retraining.findings import drift_found, quality_found, turn_found
from monitoring.retraining.parts import Condition
from monitoring.retraining.rehearsal import Known, Start, leaves_with_labels, starts
from monitoring.retraining.turns import next_turns
from monitoring.selectors.quality import quality_series
from monitoring.selectors.retraining_drift import champion_of, drifted_in
from registry.access import Actor
from registry.models import AuditEvent, ModelVersion
from serving.contract import CHAMPION

DAYS = 30
MOST_TURNS = 5_000
NO_HISTORY = {"budget": "what is left of budgets", "severity": "alerts"}


@dataclass(frozen=True)
class Overview:
    """A model with a retraining policy, as the list shows it."""

    policy: RetrainingPolicy
    watch: RetrainingWatch | None
    last: Retraining | None


@dataclass(frozen=True)
class DryRun:
    """What a policy would have started.

    Attributes:
        untold: conditions of which no past is kept, in words.
    """

    since: datetime
    until: datetime
    starts: list[Start]
    untold: list[str]


def policies_of(actor: Actor) -> QuerySet[RetrainingPolicy]:
    """Return the policies in force of the actor's teams."""
    newest = RetrainingPolicy.objects.in_force().values("pk")
    rows = RetrainingPolicy.objects.filter(pk__in=newest, model__team__in=actor.teams())
    return rows.select_related("model__team", "made_by").order_by("model__name")


def overviews(policies: list[RetrainingPolicy]) -> list[Overview]:
    """Return the policies with the last look and the last retraining of their models, in two queries whatever their number."""
    models = [policy.model_id for policy in policies]
    watches = {watch.model_id: watch for watch in RetrainingWatch.objects.filter(model__in=models)}
    newest = Retraining.objects.filter(model__in=models).order_by("model_id", "-id").distinct("model_id")
    last = {one.model_id: one for one in newest}
    return [Overview(policy, watches.get(policy.model_id), last.get(policy.model_id)) for policy in policies]


def trail_of(retraining: Retraining) -> list[AuditEvent]:
    """Return what happened to a retraining, oldest first."""
    return list(AuditEvent.objects.filter(subject=retraining.path).order_by("seq"))


def dry_run(policy: RetrainingPolicy, *, now: datetime, days: int = DAYS) -> DryRun:
    """Return when a policy would have started retrainings lately, by what is still known."""
    rules, model = policy.rules, policy.model
    since = now - timedelta(days=days)
    champion = champion_of(model)
    known = sorted(
        (
            one
            for leaf, condition in enumerate(rules.when.leaves())
            for one in _past(leaf, condition, champion, since, now)
        ),
        key=lambda one: one.at,
    )
    labelled = label_times(model, since=since) if leaves_with_labels(rules) or known else []
    untold = {NO_HISTORY["budget"] for one in rules.when.leaves() if one.kind == "budget"}
    untold |= {NO_HISTORY["severity"] for one in rules.when.leaves() if one.severity}
    return DryRun(since, now, starts(rules, known, labelled=labelled, since=since, until=now), sorted(untold))


def _past(
    leaf: int, condition: Condition, champion: ModelVersion | None, since: datetime, now: datetime
) -> Iterator[Known]:
    if condition.kind == "schedule":
        turns = next_turns(condition.cron, condition.time_zone, after=since, count=MOST_TURNS)
        yield from (Known(turn, leaf, turn_found(turn, turn)) for turn in turns if turn < now)
    elif condition.kind == "quality" and champion:
        yield from _past_quality(leaf, condition, champion, since, now)
    elif condition.kind == "drift" and champion and not condition.severity:
        looks = DriftWindow.objects.filter(version=champion, arm=CHAMPION, judged_at__gt=since).order_by("judged_at")
        for window in looks.exclude(state=DriftWindow.State.THIN).select_related("version__model"):
            yield Known(
                window.judged_at, leaf, drift_found(condition, drifted_in(window), at=window.until, link=window.path)
            )
        for report in DriftReport.objects.filter(version=champion, until__gt=since).order_by("until"):
            drifted = {feature.name: feature.drifted for feature in report.feature_drifts()}
            yield Known(report.until, leaf, drift_found(condition, drifted, at=report.until, link=report.path))


def _past_quality(
    leaf: int, condition: Condition, champion: ModelVersion, since: datetime, now: datetime
) -> Iterator[Known]:
    """Yield what each span would have said at its end, as its labels are known today."""
    span = timedelta(seconds=condition.span_s)
    points = quality_series(
        champion.model, metric=condition.metric, since=since, until=now, span=span, version=champion,
        slice_=condition.part or None, now=now,
    )  # fmt: skip
    for n in range(len(points)):
        yield Known(points[n].at + span, leaf, quality_found(condition, points[: n + 1]))
