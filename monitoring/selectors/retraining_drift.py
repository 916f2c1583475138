"""What a retraining policy's conditions on drift find: by the latest looks at the champion's inputs, or by a report that is newer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from monitoring.drift.features import SCORE
from monitoring.drift.words import counted
from monitoring.models import DriftReport, DriftWindow, Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.retraining import findings as arithmetic
from monitoring.retraining.findings import Finding
from monitoring.retraining.parts import Condition
from monitoring.selectors.drift import Standing, drift_standings, findings_of
from monitoring.selectors.drift_policy import drift_policy_of
from registry.models import Alert, ModelVersion, RegisteredModel
from serving.contract import CHAMPION

EVER = datetime.min.replace(tzinfo=UTC)


def champion_of(model: RegisteredModel) -> ModelVersion | None:
    """Return the version that serves."""
    return ModelVersion.objects.filter(aliases__model=model, aliases__name=CHAMPION).select_related("model").first()


def drift_finding(condition: Condition, champion: ModelVersion | None, since: datetime, *, now: datetime) -> Finding:
    """Hold what was found of the champion's inputs after ``since`` against one condition."""
    if champion is None:
        return arithmetic.drift_found(condition, None)
    if condition.severity:
        alerts = Alert.objects.filter(model=champion.model, kind="drift", cleared_at__isnull=True, raised_at__gt=since)
        worst = max(alerts, key=lambda alert: arithmetic.SEVERITIES.index(alert.severity), default=None)
        return arithmetic.drift_found(
            condition, {}, severity=worst.severity if worst else "", link=worst.link if worst else ""
        )
    standings = drift_standings([champion.model], now=now).get(champion.model_id, [])
    window = _telling(standings, champion.pk, since)
    report = DriftReport.objects.filter(version=champion, until__gt=since).first()
    if window and (report is None or window.until >= report.until):
        return arithmetic.drift_found(condition, drifted_in(window), at=window.until, link=window.path)
    if report is None:
        return arithmetic.drift_found(condition, None)
    drifted = {feature.name: feature.drifted for feature in report.feature_drifts()}
    return arithmetic.drift_found(condition, drifted, at=report.until, link=report.path)


def _telling(standings: Sequence[Standing], version_id: int, since: datetime) -> DriftWindow | None:
    """Return the window that found most drift of those looked at after ``since`` with enough rows; the shorter one of equals."""
    windows = [
        window for standing in standings if standing.version.pk == version_id and standing.arm == CHAMPION
        for window in standing.windows if window.judged_at > since and window.state != DriftWindow.State.THIN
    ]  # fmt: skip
    return min(windows, key=lambda window: (-window.drifted, window.span), default=None)


def drifted_in(window: DriftWindow) -> dict[str, bool]:
    """Return whether each input has drifted by a look, those left out that had too few values or are muted."""
    muted = drift_policy_of(window.version.model).muted
    found = counted(findings_of(window), muted)
    return {one.name: one.drifted for one in found if one.enough and one.name != SCORE}


def drifted_since(
    policies: Sequence[RetrainingPolicy], watches: Mapping[int, RetrainingWatch], *, now: datetime
) -> set[int]:
    """Return the models in whose inputs a look found drift after their conditions were looked at last; one query for all of them."""
    asking = {p.model_id: p for p in policies if p.enabled and any(_asks(leaf) for leaf in p.rules.when.leaves())}
    found = set()
    for model_id, standings in drift_standings([p.model for p in asking.values()], now=now).items() if asking else ():
        watch = watches.get(model_id)
        since = watch.looked_at if watch and watch.policy_id == asking[model_id].pk else None
        if since and any(window.drifted and window.judged_at > since for one in standings for window in one.windows):
            found.add(model_id)
    return found


def drift_turned(policy: RetrainingPolicy, watch: RetrainingWatch, *, now: datetime) -> bool:
    """Whether a condition on drift holds now that did not when ``watch`` looked, by the same policy."""
    last = Retraining.objects.filter(model=policy.model, ended_at__isnull=False).first()
    since = last.ended_at if last and last.ended_at else EVER
    champion = champion_of(policy.model)
    leaves = zip(policy.rules.when.leaves(), watch.findings, strict=True)
    return any(
        _asks(leaf) and not was["holds"] and drift_finding(leaf, champion, since, now=now).holds for leaf, was in leaves
    )


def _asks(condition: Condition) -> bool:
    return condition.kind == "drift" and not condition.severity
