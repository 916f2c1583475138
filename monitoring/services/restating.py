"""Stating the quality of each span of an objective, and restating it where labels come late."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring.models import Slo, SloSpan
from monitoring.quality.metrics import BY_KIND
from monitoring.quality.points import QualityPoint
from monitoring.selectors.quality import quality_series
from monitoring.selectors.quality_policy import quality_policy_of
from monitoring.slo_words import slice_words
from registry.audit_trail import audit, audited
from registry.errors import InvalidError

FIELDS = ("state", "bad", "total", "value", "labelled", "predictions", "why")
MOST_TOLD = 20  # spans in one event of the audit trail
PROCESS = "monitoring"


def restate(*, now: datetime) -> int:
    """Take the spans of all objectives on quality anew; return how many final ones changed. Safe to repeat."""
    return sum(_restate(slo, now) for slo in Slo.objects.watched().filter(kind=Slo.Kind.QUALITY))


@audited()
def _restate(slo: Slo, now: datetime) -> int:
    """State the spans of one objective's window; where a final one changes, the audit trail tells from what to what."""
    Slo.objects.select_for_update(of=("self",), no_key=True).get(pk=slo.pk)
    span = timedelta(seconds=slo.slice_s or 0)
    since = slo.window(now).start
    try:
        points = quality_series(
            slo.model, metric=slo.metric, since=since, until=now, span=span, slice_=slice_words(slo) or None, now=now
        )
    except InvalidError:  # the policy of the model's quality changed: its labels no longer tell this metric
        return 0
    held = {row.started_at: row for row in slo.spans.filter(started_at__gte=since - span)}
    higher = BY_KIND[quality_policy_of(slo.model).compares][slo.metric].higher_is_better
    stated, changed = [], []
    for point in points:
        row = SloSpan(slo=slo, started_at=point.at, stated_at=now, **vars(judge(slo, point, higher=higher, now=now)))
        before = held.get(point.at)
        if before and all(getattr(before, name) == getattr(row, name) for name in FIELDS):
            continue
        stated.append(row)
        if before and before.state == SloSpan.State.FINAL and (before.bad, before.total) != (row.bad, row.total):
            changed.append((before, row))
    SloSpan.objects.bulk_create(
        stated, update_conflicts=True, unique_fields=["slo", "started_at"], update_fields=[*FIELDS, "stated_at"]
    )
    if changed:
        audit(
            action="slo.restate", subject=slo.path, actor=None, process=PROCESS, team=slo.model.team.slug,
            payload={
                "slo": slo.pk, "spans": len(changed),
                "before": {_said(before): _counts(before) for before, _ in changed[:MOST_TOLD]},
                "after": {_said(after): _counts(after) for _, after in changed[:MOST_TOLD]},
            },
        )  # fmt: skip
    return len(changed)


@dataclass(frozen=True)
class Judged:
    """What one span says: events or a slice, or why it says nothing."""

    state: str
    bad: int
    total: int
    value: float | None
    labelled: int
    predictions: int
    why: str


def judge(slo: Slo, point: QualityPoint, *, higher: bool, now: datetime) -> Judged:
    """Return what a span says: final once its labels are due, no data where there are too few of them."""
    end = point.at + timedelta(seconds=slo.slice_s or 0)
    final = end + timedelta(seconds=slo.maturity_s or 0) <= now
    state = SloSpan.State.FINAL if final else SloSpan.State.PROVISIONAL
    bad = total = 0
    why = ""
    coverage, asked = point.coverage or 0.0, slo.min_coverage or 0.0
    if coverage < asked:
        why = f"labels of {coverage:.0%} of the predictions; {asked:.0%} are asked for"
    elif slo.by_slices and point.value is not None:
        assert slo.slice_target is not None  # noqa: S101  a constraint
        good = point.value >= slo.slice_target if higher else point.value <= slo.slice_target
        bad, total = int(not good), 1
    elif not slo.by_slices and point.good is not None and point.total is not None:
        bad, total = point.total - point.good, point.total
    else:
        why = point.reason or "the labels do not tell it"
    return Judged(state, bad, total, point.value, point.labelled, point.predictions, why[:200])


def _said(row: SloSpan) -> str:
    return f"{row.started_at:%Y-%m-%d %H:%M}"


def _counts(row: SloSpan) -> dict[str, Any]:
    return {"bad": row.bad, "total": row.total, "labelled": row.labelled}
