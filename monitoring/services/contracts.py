"""Holding live inputs to data contracts: which contract, what was found, and telling of it."""

from datetime import datetime, timedelta

from experiments.models import Dataset
from monitoring.contracts import LiveResult, State
from monitoring.models import LiveCheck, LiveContract
from monitoring.selectors.contracts import Judgement, LiveSubject, live_judgement, live_subjects
from monitoring.services.alerting import alert_observe
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import Alert, RegisteredModel

KIND = "data_quality"
KEY = "contract:"
KEPT = timedelta(days=7)
REMEMBERED = timedelta(
    hours=1
)  # for so long a rule that was broken is told to hold, so that what counts looks hears of each
MOST_KEPT = 200
PROCESS = "monitoring.contracts"


@audited()
def live_contract_choose(*, actor: Actor, model: RegisteredModel, dataset: Dataset | None) -> None:
    """Choose the data set whose contract a model's inputs are held to.

    Args:
        dataset: of the model's team; None: that of the training rows.

    Raises:
        RoleError: the actor may only look.
        InvalidError: the data set is another team's.
    """
    actor.require(model.team, *WRITERS)
    if dataset is not None and dataset.team_id != model.team_id:
        raise InvalidError(f"{model.team.name} has no data set {dataset.name}.", field="dataset")
    before = LiveContract.objects.filter(model=model).select_related("dataset").first()
    if dataset is None:
        LiveContract.objects.filter(model=model).delete()
    else:
        LiveContract.objects.update_or_create(model=model, defaults={"dataset": dataset, "chosen_by": actor.user})
    audit(
        action="live_contract.choose", subject=model.path, actor=actor, team=model.team.slug,
        payload={"before": before.dataset.name if before else None, "after": dataset.name if dataset else None},
    )  # fmt: skip


def live_checks_make(*, now: datetime) -> int:
    """Hold the latest inputs of every champion to its contract, keep how they stand, and tell the alerts; safe to repeat.

    Returns: how many models were looked at.
    """
    subjects = live_subjects()
    for subject in subjects:
        live_check_record(subject=subject, judgement=live_judgement(subject, now=now), now=now)
    return len(subjects)


@audited()
def live_check_record(*, subject: LiveSubject, judgement: Judgement, now: datetime) -> LiveCheck:
    """Keep one look at a model, and tell the alerts of each rule that is broken, or was lately."""
    model = subject.version.model
    told = [result for result in judgement.results if result.state in (State.BROKEN, State.UNSURE)]
    check, _ = LiveCheck.objects.update_or_create(
        model=model, at=now.replace(second=0, microsecond=0),
        defaults={
            "version": subject.version, "contract": subject.contract, "rows": judgement.rows, "state": judgement.state,
            "broken": judgement.count(State.BROKEN), "unsure": judgement.count(State.UNSURE), "held": judgement.count(State.HELD),
            "results": [result.as_json() for result in told[:MOST_KEPT]],
        },
    )  # fmt: skip
    for result in told:
        if result.state == State.BROKEN:
            _observe(model, result, breached=True)
    by_rule = {result.rule: result for result in judgement.results}
    for rule in sorted(_broken_before(model, now)):
        now_so = by_rule.get(rule)
        if now_so is None:  # the contract says it no more
            alert_observe(model=model, kind=KIND, key=f"{KEY}{rule}", breached=False, title="", process=PROCESS)
        elif now_so.state != State.BROKEN:
            _observe(model, now_so, breached=False if now_so.state == State.HELD else None)
    return check


def _broken_before(model: RegisteredModel, now: datetime) -> set[str]:
    """Return the rules that the alerts may still hold to be broken."""
    open_keys = Alert.objects.filter(model=model, key__startswith=KEY, cleared_at=None).values_list("key", flat=True)
    lately = LiveCheck.objects.filter(model=model, at__gte=now - REMEMBERED, broken__gt=0).values_list(
        "results", flat=True
    )
    kept = {result["rule"] for results in lately for result in results if result["state"] == State.BROKEN}
    return kept | {key.removeprefix(KEY) for key in open_keys}


def _observe(model: RegisteredModel, result: LiveResult, *, breached: bool | None) -> None:
    alert_observe(
        model=model, kind=KIND, key=f"{KEY}{result.rule}", breached=breached,
        title=f"Inputs of {model.name} break its data contract: {result.name}, but it was {result.detail}"[:300],
        link=f"{model.path}data-quality/#{result.rule}", next_step=next_step(result),
        severity=Alert.Severity.CRITICAL if result.severity == "blocking" else Alert.Severity.WARNING, process=PROCESS,
    )  # fmt: skip


def next_step(result: LiveResult) -> str:
    """Return what to do about a broken rule."""
    match result.kind:
        case "nulls":
            return (
                f"Ask who sends {result.column} why it is missing; roll back or pause the caller if predictions suffer."
            )
        case "categories":
            return f"See which new values {result.column} takes; retrain with them, or have the caller send the known ones."
        case "range":
            return (
                f"Check unit and source of {result.column}; if the world has changed, retrain and widen the contract."
            )
        case "live_freshness" | "live_rows":
            return "See whether callers reach the gateway, and whether its log is shipped."
    return "Compare the caller's inputs with the contract, and change whichever is wrong."


def live_checks_forget(*, now: datetime) -> int:
    """Forget looks that are older than a week, and return how many."""
    return LiveCheck.objects.filter(at__lt=now - KEPT).delete()[0]
