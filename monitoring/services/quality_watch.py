"""Telling the alerts whether models hold the limits of their quality."""

from datetime import datetime

from monitoring.models import QualityPolicy
from monitoring.quality.metrics import METRICS
from monitoring.selectors.quality_watch import Watched, quality_watched
from monitoring.services.alerting import alert_observe

QUALITY_ALERT = "quality"
NEXT_STEP = "See since when it is worse and in which slices, and whether its inputs drifted; go back to the former champion, or train anew."


def quality_watch(*, now: datetime) -> int:
    """Tell of every model whose quality is watched what labels that are due say; return of how many."""
    told = 0
    live = QualityPolicy.objects.in_force().select_related("model__team")
    for policy in live.filter(model__archived_at=None, model__retired_at=None):
        if (found := quality_watched(policy, now=now)) is None:
            continue
        alert_observe(
            model=policy.model, kind=QUALITY_ALERT, key=QUALITY_ALERT, breached=found.breached, title=_title(found),
            link=f"{policy.model.path}quality/?metric={found.metric}", next_step=NEXT_STEP, process="quality",
        )  # fmt: skip
        told += 1
    return told


def _title(found: Watched) -> str:
    metric, of = METRICS[found.metric], found.measured
    beyond = "below" if metric.higher_is_better else "above"
    between = "" if of.value is None else f" is {of.value:.3g} ({of.low:.3g} to {of.high:.3g}),"
    return f"{metric.label} of {found.version.model.name} v{found.version.number}{between} {beyond} its limit of {found.limit:g}"
