"""What late labels say of a candidate: the metrics that criteria ask a shadow or a canary for and no guardrail counts."""

import math
from datetime import datetime
from typing import NamedTuple

from monitoring.models import QualityPolicy
from monitoring.quality.metrics import BY_KIND, Measured
from monitoring.selectors.quality import HOUR, measured_of, windows_by_span
from monitoring.selectors.quality_policy import quality_policy_of
from registry.models import AcceptanceCriterion, Evidence, ModelVersion
from rollouts.models import Rollout
from serving.contract import CANARY, CHAMPION, SHADOW

Phase = AcceptanceCriterion.Phase


def labelled_evidence(rollout: Rollout, criteria: list[AcceptanceCriterion], *, now: datetime) -> list[Evidence]:
    """Return what labels of the rollout's own hours say, for each criterion that asks for such a metric; nothing is recorded.

    Only hours whose labels are due count, and only where enough of them came, of the champion's, too, where it is compared: a
    metric of labels that came early would be that of those which come early.
    """
    hours = _Hours(quality_policy_of(rollout.model), rollout.started_at, rollout.ended_at or now, now)
    found = []
    for criterion in criteria:
        arm = SHADOW if criterion.phase == Phase.SHADOW else CANARY
        candidate = hours.told(criterion, rollout.candidate, arm)
        champion = hours.told(criterion, rollout.champion, CHAMPION) if criterion.against_champion else None
        if candidate is None or (criterion.against_champion and champion is None):
            continue
        value = difference(candidate, champion) if champion else interval(candidate)
        if value is None:
            continue
        found.append(Evidence(
            version=rollout.candidate, kind=Evidence.Kind.SHADOW if arm == SHADOW else Evidence.Kind.CANARY,
            metric=criterion.metric, value=value[0], ci_low=value[1], ci_high=value[2], sample_size=candidate.labelled,
            against=rollout.champion if champion else None, artifact_digest=rollout.candidate.artifact_digest,
            data_set="production", data_slice=criterion.data_slice, measured_at=now,
        ))  # fmt: skip
    return found


class Told(NamedTuple):
    """A metric, and of how many labelled predictions it is."""

    measured: Measured
    labelled: int


class _Hours(NamedTuple):
    """The hours of a rollout whose labels are due."""

    policy: QualityPolicy
    since: datetime
    until: datetime
    now: datetime

    def told(self, criterion: AcceptanceCriterion, version: ModelVersion, arm: str) -> Told | None:
        """Return a criterion's metric of one arm; None where labels cannot tell it, or too few of those that are due came."""
        if criterion.metric not in BY_KIND[self.policy.compares]:
            return None
        due = min(self.until, self.now - self.policy.maturity - HOUR)
        spans = windows_by_span(
            self.policy, since=self.since, until=due, span=HOUR, version=version, arm=arm, slice_=criterion.data_slice
        )
        rows = [row for span in spans.values() for row in span]
        labelled, predictions = sum(row.labelled for row in rows), sum(row.predictions for row in rows)
        if not predictions or labelled / predictions < self.policy.min_coverage:
            return None
        return Told(measured_of(self.policy.compares, rows, criterion.metric), labelled)


def interval(of: Told) -> tuple[float, float, float] | None:
    """Return value and 95% interval; None where labels do not tell."""
    value, low, high = of.measured.value, of.measured.low, of.measured.high
    return None if value is None or low is None or high is None else (value, low, high)


def difference(of: Told, to: Told) -> tuple[float, float, float] | None:
    """Return how far one metric lies from another one of other predictions, with its 95% interval; None where labels do not tell.

    Source: Zou and Donner (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27 (MOVER).
    """
    one, other = interval(of), interval(to)
    if one is None or other is None:
        return None
    (a, a_low, a_high), (b, b_low, b_high) = one, other
    return a - b, a - b - math.hypot(a - a_low, b_high - b), a - b + math.hypot(a_high - a, b - b_low)
