"""Looking at the latest inputs of versions that answer: judging them, keeping what was found, and telling the alerts."""

import time
from datetime import datetime, timedelta

from monitoring.drift.drawing import drawing_of
from monitoring.drift.packing import pack
from monitoring.drift.words import BREAK_WORDS, counted, floor_of, peak_of, verdict
from monitoring.drifting import Finding, judge
from monitoring.locks import alone_under
from monitoring.models import DAY_S, DriftPolicy, DriftWindow
from monitoring.selectors.drift_policy import drift_policy_of
from monitoring.selectors.inputs import FIVE_MINUTES, Counted, Features, arms_counted, features_with_references
from monitoring.selectors.inputs import counted as counted_in
from monitoring.services.alerting import alert_observe
from monitoring.telemetry import span_start
from registry.audit_trail import audited
from registry.models import Alert, ModelVersion, ReferenceProfile, RevalidationTrigger
from registry.services import revalidation_trigger
from serving.contract import CHAMPION

ADVISORY_LOCK = 0x4452_4946  # "DRIF": one at a time looks for drift
PROCESS = "monitoring"
LATELY = timedelta(minutes=15)  # what was asked since is looked at
PAUSES = 60  # looks in the length of a window at most
TURN_S = 50.0  # of one run; who is not reached is first in the next
MOST_DRAWN = 12
KEPT = {False: timedelta(days=90), True: timedelta(days=3 * 366)}  # whether of a day
State = DriftWindow.State


def drift_look(*, now: datetime) -> int:
    """Judge the latest inputs of each version and arm that was asked lately; return how many windows.

    Who was looked at longest ago comes first, so that a run which ends for lack of time is continued by the next.
    """
    began, judged = time.monotonic(), 0
    with alone_under(ADVISORY_LOCK) as alone:
        for version_id, arm, last in _due_first(arms_counted(since=now - LATELY)) if alone else ():
            if time.monotonic() - began > TURN_S:
                break
            judged += _look_at(version_id, arm, until=min(last + FIVE_MINUTES, _next(now)), now=now)
    return judged


def _due_first(arms: list[tuple[int, str, datetime]]) -> list[tuple[int, str, datetime]]:
    versions = {version_id for version_id, _, _ in arms}
    looks = DriftWindow.objects.filter(version__in=versions).exclude(span=DAY_S)
    latest = looks.order_by("version_id", "arm", "-judged_at").distinct("version_id", "arm")
    seen = {(version_id, arm): at for version_id, arm, at in latest.values_list("version", "arm", "judged_at")}
    return sorted(arms, key=lambda one: (one[:2] in seen, seen.get(one[:2]), one[:2]))


def _next(now: datetime) -> datetime:
    return span_start(now.timestamp(), int(FIVE_MINUTES.total_seconds())) + FIVE_MINUTES


def _look_at(version_id: int, arm: str, *, until: datetime, now: datetime) -> int:
    features = features_with_references(version_id)
    if not features:
        return 0
    version = ModelVersion.objects.select_related("model__team").get(pk=version_id)
    policy = drift_policy_of(version.model)
    windows = []
    for span in policy.spans:
        last = DriftWindow.objects.filter(version=version, arm=arm, span=span).order_by("-slot_at").first()
        if last is None or now - last.judged_at >= timedelta(seconds=span / PAUSES):
            windows.append(
                _judge(version, arm, policy, features, counted_in(version_id, arm, seconds=span, until=until), now)
            )
    if windows and arm == CHAMPION and version.aliases.filter(name=CHAMPION).exists():
        for window, findings in windows:
            drift_window_tell(window=window, findings=findings, short=window.span == policy.spans[0])
    return len(windows)


def _judge(
    version: ModelVersion, arm: str, policy: DriftPolicy, features: Features, inputs: Counted, now: datetime
) -> tuple[DriftWindow, list[Finding]]:
    """Judge one window, and keep what was found in the slot of the clock that it ends in."""
    pairs = inputs.pairs(features)
    findings = judge(pairs, alpha=policy.alpha, fdr=policy.fdr, floor=floor_of(policy.effect_floor))
    telling = counted(findings, policy.muted)
    drifted, broken = [one for one in telling if one.drifted], [one for one in telling if one.breaks]
    compared = sum(one.enough for one in telling)
    of = {reference.name: (reference, binned) for reference, binned in pairs}
    told = {
        "since": inputs.since, "until": inputs.until, "rows": inputs.rows, "compared": compared, "judged_at": now,
        "state": State.DRIFTED if drifted else State.BROKEN if broken else State.STEADY if compared else State.THIN,
        "verdict": verdict(telling, against=_against(version)), "drifted": len(drifted), "broken": len(broken),
        "peak": peak_of(telling), "causes": [one.name for one in telling if one.drifted or one.breaks],
        "policy_number": policy.number, "findings": pack(findings),
        "drawings": [drawing_of(*of[one.name]).as_json() for one in telling[:MOST_DRAWN]],
    }  # fmt: skip
    span = int((inputs.until - inputs.since).total_seconds())
    slot = DAY_S if span == DAY_S else 3600
    window, _ = DriftWindow.objects.update_or_create(
        version=version, arm=arm, span=span, slot_at=span_start(inputs.until.timestamp() - 1, slot), defaults=told
    )
    return window, telling


def _against(version: ModelVersion) -> str:
    trained = version.reference.source == ReferenceProfile.Source.TRAINING
    return "the training rows" if trained else "the first predictions"


@audited()
def drift_window_tell(*, window: DriftWindow, findings: list[Finding], short: bool) -> None:
    """Tell the alerts, and re-validation, what a look at the champion's inputs found.

    Drift of the short window and of the day are alerts of their own: the day's finds what is small, the short one's ends soon. What
    broke in the data is told apart, by the short window alone. Where there were too few rows nothing changes.

    Args:
        findings: of the features that are not muted.
    """
    model = window.version.model
    when = (
        "the last day"
        if window.span == DAY_S
        else f"the last {f'{window.hours} hours' if window.hours > 1 else 'hour'}"
    )
    causes = ", ".join(window.causes[:3])
    key = "drift:window" if short else "drift:day"
    alert_observe(
        model=model, kind="drift", key=key, breached=bool(window.drifted) if window.compared else None,
        title=f"Inputs of {model.name} v{window.version.number} drifted in {when}: {window.drifted} of {window.compared} features",
        link=window.path, process=PROCESS,
        next_step=f"See whether {causes} moved for a reason you know; if it stays, train on recent rows, or roll back.",
    )  # fmt: skip
    if short:
        for kind, words in BREAK_WORDS.items():
            names = [one.name for one in findings if kind in one.breaks]
            alert_observe(
                model=model, kind="data_quality", key=f"drift:{kind.replace(' ', '_')}",
                breached=bool(names) if window.compared or names else None, link=window.path, process=PROCESS,
                title=f"Inputs of {model.name} broke in {when}, {words}: {', '.join(names[:5])}"[:300],
                severity=Alert.Severity.CRITICAL if kind == "type" else Alert.Severity.WARNING,
                next_step="Ask who feeds these inputs what changed; the model was not made for such values.",
            )  # fmt: skip
    raised = Alert.objects.filter(model=model, key=key, cleared_at=None).first()
    if window.span == DAY_S and window.drifted and raised:
        revalidation_trigger(
            model=model, trigger=RevalidationTrigger.DRIFT, why=window.verdict, since=raised.raised_at, process=PROCESS
        )  # fmt: skip


def drift_windows_purge(*, now: datetime) -> None:
    """Forget looks past their time."""
    DriftWindow.objects.exclude(span=DAY_S).filter(slot_at__lt=now - KEPT[False]).delete()
    DriftWindow.objects.filter(span=DAY_S, slot_at__lt=now - KEPT[True]).delete()
