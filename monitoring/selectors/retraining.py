"""What is known now of a model's conditions, and of what would hold a retraining."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from monitoring.labelling.rows import count_labelled_rows, count_new_labels
from monitoring.models import Retraining, RetrainingPolicy
from monitoring.retraining import findings as arithmetic
from monitoring.retraining.findings import Finding
from monitoring.retraining.parts import Condition, Policy
from monitoring.retraining.turns import last_turn, next_turns
from monitoring.selectors.quality import quality_series
from monitoring.selectors.retraining_drift import champion_of, drift_finding
from registry.models import ModelVersion, Promotion, RegisteredModel
from registry.states import PromotionState
from serving.contract import CHAMPION

WEEK = timedelta(days=7)
ASKED_BY = {
    "drift": "drift",
    "quality": "quality",
    "burn": "budget",
    "budget": "budget",
}  # conditions, by kind of alert
OPEN_PROMOTIONS = [state.value for state in PromotionState if state.is_open]


def retraining_policy_of(model: RegisteredModel) -> RetrainingPolicy | None:
    """Return the policy in force; None where the model has none."""
    return model.retraining_policies.select_related("model__team", "made_by").first()


def retraining_way(model: RegisteredModel, kind: str) -> dict[str, str] | None:
    """Return the way to what a model's policy does about an alert of this kind; None where it has nothing to do with it."""
    policy = retraining_policy_of(model)
    asks = ASKED_BY.get(kind)
    if policy is None or not policy.enabled or not any(one.kind == asks for one in policy.rules.when.leaves()):
        return None
    return {"title": "See its retraining", "path": f"{model.path}retraining/"}


def findings_of(
    policy: RetrainingPolicy, *, last: Retraining | None, turn_after: datetime, now: datetime
) -> list[Finding]:
    """Return what each condition of a policy finds now, in order.

    What was seen before the last retraining ended was answered by it: only what came later asks for another one.

    Args:
        last: the retraining before.
        turn_after: the last turn of a schedule that was looked at.
    """
    since = last.ended_at if last and last.ended_at else datetime.min.replace(tzinfo=now.tzinfo)
    return list(_found(policy, policy.rules, since=since, last=last, turn_after=turn_after, now=now))


def _found(
    policy: RetrainingPolicy, rules: Policy, *, since: datetime, last: Retraining | None, turn_after: datetime,
    now: datetime,
) -> Iterator[Finding]:  # fmt: skip
    model = policy.model
    champion = champion_of(model)
    for condition in rules.when.leaves():
        match condition.kind:
            case "schedule":
                turn = last_turn(condition.cron, condition.time_zone, after=turn_after, until=now)
                [upcoming] = next_turns(condition.cron, condition.time_zone, after=now, count=1)
                yield arithmetic.turn_found(turn, upcoming)
            case "drift":
                yield drift_finding(condition, champion, since, now=now)
            case "quality":
                yield _quality(condition, champion, since, now)
            case "labels":
                trained = _trained_at(last, champion, policy)
                yield arithmetic.labels_found(condition, count_new_labels(model, since=trained), since=trained)
            case "budget":
                left = dict(model.budgets.filter(at__gt=since).values_list("objective", "remaining"))
                yield arithmetic.budget_found(condition, left, link=f"/slos/?model={model.name}")


def _quality(condition: Condition, champion: ModelVersion | None, since: datetime, now: datetime) -> Finding:
    """Hold the champion's own predictions against the limit, in spans that began after what was answered already."""
    if champion is None:
        return arithmetic.quality_found(condition, [])
    span = timedelta(seconds=condition.span_s)
    earliest = max(since, now - (condition.spans + 1) * span)
    points = quality_series(
        champion.model, metric=condition.metric, since=earliest, until=now, span=span, version=champion,
        slice_=condition.part or None, now=now,
    )  # fmt: skip
    new = [point for point in points if point.at >= since]
    return arithmetic.quality_found(condition, new, link=f"{champion.model.path}quality/")


def _trained_at(last: Retraining | None, champion: ModelVersion | None, policy: RetrainingPolicy) -> datetime:
    """Return since when labels are new: what came before was learnt from, or could have been."""
    known = [last.started_at if last else None, champion.created_at if champion else None]
    return max((at for at in known if at), default=policy.made_at)


def starts_of(model: RegisteredModel, *, now: datetime) -> list[datetime]:
    """Return when the retrainings of the last week started."""
    rows = Retraining.objects.filter(model=model, started_at__gt=now - WEEK)
    return [at for at in rows.values_list("started_at", flat=True) if at]


def open_promotion(model: RegisteredModel) -> Promotion | None:
    """Return the open promotion to champion, which a candidate would have to wait for."""
    return Promotion.objects.filter(model=model, alias=CHAMPION, state__in=OPEN_PROMOTIONS).first()


def window_of(rules: Policy, *, now: datetime) -> tuple[datetime, datetime]:
    """Return from when until when predictions are learnt from: old enough for their labels to have come."""
    until = now - timedelta(seconds=rules.maturity_s)
    return now - timedelta(days=rules.window_days), until


def labels_in_window(model: RegisteredModel, rules: Policy, *, now: datetime) -> int:
    """Return how many labelled predictions could be learnt from now."""
    since, until = window_of(rules, now=now)
    return count_labelled_rows(model, since=since, until=until)
