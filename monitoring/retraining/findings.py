"""What conditions say to what was found: numbers in, a sentence and a verdict out. Pure: no ORM, clock or settings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from monitoring.quality.points import QualityPoint
from monitoring.retraining.parts import GROUPS, Condition
from registry.criteria import metric_label

SEVERITIES = ("warning", "critical")


@dataclass(frozen=True)
class Finding:
    """One condition held against what is known now.

    Attributes:
        holds: None where nothing is known; an unknown never starts anything.
        text: the present value beside the limit, such as ``3 of 19 features, limit 5``.
        facts: the numbers behind it, as plain values.
    """

    kind: str
    holds: bool | None
    text: str
    link: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return asdict(self)


def holds(when: Condition, found: Sequence[Finding]) -> bool:
    """Tell whether the conditions hold together.

    Args:
        found: of each of ``when.leaves()``, in order.
    """
    rest = iter(found)

    def judged(condition: Condition) -> bool:
        if condition.kind not in GROUPS:
            return next(rest).holds is True
        each = [judged(one) for one in condition.conditions]
        return all(each) if condition.kind == "all" else any(each)

    return judged(when)


def in_one_sentence(found: Sequence[Finding]) -> str:
    """Return why it begins: each condition that holds."""
    return "; ".join(f"{one.kind}: {one.text}" for one in found if one.holds)


def turn_found(turn: datetime | None, upcoming: datetime) -> Finding:
    """Say whether a turn of the schedule came since the last look."""
    facts = {"turn": turn.isoformat() if turn else None, "next": upcoming.isoformat()}
    if turn:
        return Finding("schedule", True, f"its turn of {turn:%d %b %Y %H:%M %Z}", facts=facts)
    return Finding("schedule", False, f"next on {upcoming:%d %b %Y %H:%M %Z}", facts=facts)


def drift_found(
    condition: Condition, drifted: Mapping[str, bool] | None, *, severity: str = "", at: datetime | None = None,
    link: str = "",
) -> Finding:  # fmt: skip
    """Say whether inputs have drifted as much as the condition asks.

    Args:
        drifted: whether each feature has; None where no comparison is newer than what was answered already.
        severity: of the worst open alert about drift; empty where none is.
        at: until when predictions were compared.
    """
    if condition.severity:
        told_by = {"severity": severity, "limit": condition.severity}
        if not severity:
            return Finding("drift", False, "no alert is open", link, told_by)
        enough = SEVERITIES.index(severity) >= SEVERITIES.index(condition.severity)
        return Finding("drift", enough, f"an alert is {severity}, limit {condition.severity}", link, told_by)
    if drifted is None:
        return Finding("drift", None, "not compared since", link)
    names = sorted(name for name, has in drifted.items() if has)
    facts: dict[str, Any] = {"drifted": names, "compared": len(drifted), "until": at.isoformat() if at else None}
    if condition.feature:
        if condition.feature not in drifted:
            return Finding("drift", None, f"{condition.feature} is not compared", link, facts)
        has = drifted[condition.feature]
        return Finding("drift", has, f"{condition.feature} has {'' if has else 'not '}drifted", link, facts)
    told = f"{len(names)} of {len(drifted)} features"
    if condition.share is not None:
        enough = bool(drifted) and len(names) / len(drifted) >= condition.share
        return Finding("drift", enough, f"{told}, limit {condition.share:.0%}", link, facts)
    return Finding("drift", len(names) >= (condition.features or 1), f"{told}, limit {condition.features}", link, facts)


def quality_found(condition: Condition, points: Sequence[QualityPoint], *, link: str = "") -> Finding:
    """Say whether the metric was surely beyond its limit in the last spans that have labels.

    Args:
        points: of spans after what was answered already, oldest first.
    """
    limit = condition.below if condition.below is not None else condition.above
    assert limit is not None  # noqa: S101  checked when the policy was read
    sign = "at least" if condition.below is not None else "at most"
    settled = [point for point in points if condition.early or not point.provisional]
    known = [point for point in settled if point.value is not None][-condition.spans :]
    name = f"{metric_label(condition.metric)}{f', {condition.part}' if condition.part else ''}"
    facts = {"limit": limit, "points": [_point(point) for point in known]}
    if len(known) < condition.spans:
        return Finding("quality", None, f"{name}: labels of {len(known)} of {condition.spans} spans", link, facts)
    last = known[-1]
    beyond = all(_beyond(condition, point) for point in known)
    span = f" ({last.low:.3f} to {last.high:.3f})" if last.low is not None and last.high is not None else ""
    return Finding("quality", beyond, f"{name} {last.value:.3f}{span}, {sign} {limit:g}", link, facts)


def _beyond(condition: Condition, point: QualityPoint) -> bool:
    if condition.below is not None:
        worst = point.high if point.high is not None else point.value
        return worst is not None and worst < condition.below
    best = point.low if point.low is not None else point.value
    return best is not None and condition.above is not None and best > condition.above


def _point(point: QualityPoint) -> dict[str, Any]:
    return {
        "at": point.at.isoformat(), "value": point.value, "low": point.low, "high": point.high, "labelled": point.labelled,
        "predictions": point.predictions, "provisional": point.provisional,
    }  # fmt: skip


def labels_found(condition: Condition, new: int, *, since: datetime) -> Finding:
    """Say whether enough labelled predictions came since the last training."""
    limit = condition.labels or 1
    text = f"{new:,} since the last training, limit {limit:,}"
    return Finding("labels", new >= limit, text, facts={"new": new, "limit": limit, "since": since.isoformat()})


def budget_found(condition: Condition, left: Mapping[str, float | None], *, link: str = "") -> Finding:
    """Say whether less of an error budget is left than the condition allows.

    Args:
        left: share that is left, by objective; None without traffic.
    """
    limit = condition.left_below or 0.0
    known = {
        name: share
        for name, share in left.items()
        if share is not None and (not condition.objective or name == condition.objective)
    }
    facts = {"left": known, "limit": limit}
    if not known:
        return Finding("budget", None, "no budget is measured", link, facts)
    name, worst = min(known.items(), key=lambda one: one[1])
    return Finding("budget", worst < limit, f"{worst:.0%} left of {name}, limit {limit:.0%}", link, facts)
