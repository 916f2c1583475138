"""One step of one retraining that is at work: see what its job made, and go on or end. Safe to run twice and by two at once."""

from datetime import datetime

from django.http import Http404

from experiments.models import DatasetVersion, TrainingRun
from experiments.services import evaluation_start, training_start
from jobs.models import Job
from jobs.states import State as JobState
from monitoring.models import Retraining
from monitoring.retraining.states import Event, State
from monitoring.selectors.retraining import open_promotion
from monitoring.selectors.retraining_drift import champion_of
from monitoring.services.retraining.judging import Judged, judge
from monitoring.services.retraining.steps import fail, locked, move, stop
from registry.access import Actor
from registry.audit_trail import audited
from registry.errors import RefusedError
from registry.models import ArtifactState, ModelVersion, Promotion
from registry.services import promotion_approve_standing, promotion_request
from registry.states import PromotionState

OVER = {
    PromotionState.REJECTED: "People refused its promotion.",
    PromotionState.WITHDRAWN: "Its promotion was withdrawn.",
    PromotionState.ROLLED_BACK: "Its rollout went back: the champion goes on.",
}


@audited()
def retraining_move(*, retraining_id: int, now: datetime) -> None:
    """Move a retraining one step, where what it waits for is there."""
    retraining = locked(retraining_id)
    try:
        _step(retraining, now=now)
    except RefusedError as refused:
        ways = " ".join(f"{one['rule']}: {one['who']}." for one in refused.unmet)
        fail(retraining, f"{refused} {ways}".strip(), now=now, rule=refused.code)
    except Http404:
        owner = retraining.policy.made_by.get_username()
        text = f"{owner}, who made its policy, left the team. An engineer of the team saves the policy anew."
        fail(retraining, text, now=now, rule="owner")


@audited()
def retraining_frozen(*, retraining_id: int, dataset_version: DatasetVersion) -> None:
    """Note the rows that a retraining learns from; its next step trains on them."""
    Retraining.objects.filter(pk=retraining_id).update(dataset_version=dataset_version)


def owner_of(retraining: Retraining) -> Actor:
    """Return in whose name it acts: who made its policy."""
    return Actor(retraining.policy.made_by, retraining.process)


def _step(retraining: Retraining, *, now: datetime) -> None:
    match State(retraining.state):
        case State.FREEZING:
            _frozen(retraining, now=now)
        case State.TRAINING:
            _trained(retraining, now=now)
        case State.EVALUATING:
            _evaluated(retraining, now=now)
        case State.PROPOSED:
            _decided(retraining, now=now)


def _has_ended(retraining: Retraining, job: Job | None, what: str, *, now: datetime) -> bool:
    """Tell whether a job did its work; one that did not ends the retraining."""
    if job is None or job.state in (JobState.QUEUED, JobState.RUNNING):
        return False
    if job.state == JobState.SUCCEEDED:
        return True
    said = job.error.strip().splitlines()[-1] if job.error.strip() else ""
    fail(
        retraining,
        f"{what} has {job.state}: {said or f'see job {job.pk}'}",
        now=now,
        rule="job",
    )
    return False


def _frozen(retraining: Retraining, *, now: datetime) -> None:
    """Train on the frozen rows; rows that cannot be learnt from end it with the reason."""
    job = retraining.freeze_job
    if not _has_ended(retraining, job, "Freezing its rows", now=now):
        return
    if retraining.dataset_version is None:
        result = job.result if job else {}
        stop(
            retraining,
            result.get("stopped", ""),
            now=now,
            rule=result.get("rule", "rows"),
        )
        return
    rules = retraining.policy.rules
    training = training_start(
        actor=owner_of(retraining), model=retraining.model, pipeline=rules.pipeline,
        dataset_version=retraining.dataset_version, params=rules.params,
    )  # fmt: skip
    move(
        retraining,
        Event.TRAIN,
        f"{retraining.dataset_version} is learnt from.",
        action="retraining.train",
        now=now,
        job=training,
    )


def _trained(retraining: Retraining, *, now: datetime) -> None:
    """Evaluate the trained version beside the champion, on the rows that were held out."""
    if not _has_ended(retraining, retraining.job, "Training", now=now):
        return
    version = TrainingRun.objects.select_related("version__model").get(job=retraining.job).version
    if version.artifact_state != ArtifactState.VERIFIED:
        fail(
            retraining,
            f"v{version.number} is refused: {version.refusal}",
            now=now,
            rule="artifact",
        )
        return
    evaluation = version.evaluations.filter(dataset_version=retraining.dataset_version).first()
    move(
        retraining, Event.EVALUATE, f"v{version.number} is measured beside the champion on rows that neither has seen.",
        action="retraining.evaluate", now=now, version=version, evaluation=evaluation,
    )  # fmt: skip


def _evaluated(retraining: Retraining, *, now: datetime) -> None:
    """Propose a version that is good enough; another one ends it with the reason."""
    version, evaluation = retraining.version, retraining.evaluation
    assert version is not None  # noqa: S101  set where evaluating began, like the next two
    assert evaluation is not None  # noqa: S101
    assert retraining.dataset_version is not None  # noqa: S101
    if not _has_ended(retraining, evaluation.job, "Evaluation", now=now):
        return
    champion = champion_of(retraining.model)
    if champion != evaluation.against:  # it was changed meanwhile: the one of now is what counts
        _measured_again(retraining, version, retraining.dataset_version, champion)
        return
    judged = judge(retraining, evaluation)
    if not judged.good:
        stop(
            retraining,
            judged.text,
            now=now,
            rule=judged.rule,
            comparison=judged.comparison,
        )
        return
    if retraining.policy.rules.automation == "evaluate":
        _leave(retraining, judged, now=now)
        return
    if waits := open_promotion(retraining.model):
        Retraining.objects.filter(pk=retraining.pk).update(
            outcome=f"{judged.text} It waits for promotion {waits.pk}: people decide on one candidate after the other."
        )
        return
    promotion = promotion_request(
        actor=owner_of(retraining), version=version,
        description=f"Retrained by itself because of {retraining.why}. {judged.text} See {retraining.path}",
    )  # fmt: skip
    move(
        retraining,
        Event.PROPOSE,
        judged.text,
        action="retraining.propose",
        now=now,
        promotion=promotion,
        comparison=judged.comparison,
    )
    if retraining.policy.rules.automation == "champion":
        _go_on(retraining, promotion, judged)


def _go_on(retraining: Retraining, promotion: Promotion, judged: Judged) -> None:
    """Approve the promotion by the standing approvals of the policy; where none does, people decide, and read why."""
    try:
        told = (
            _approved_beforehand(retraining, promotion)
            if judged.comparison
            else "People decide: no champion was there to be better than."
        )
    except RefusedError as refused:
        told = " ".join([f"People decide: {refused}", *(f"{one['rule']}." for one in refused.unmet)])
    Retraining.objects.filter(pk=retraining.pk).update(outcome=f"{judged.text} {told}")


def _approved_beforehand(retraining: Retraining, promotion: Promotion) -> str:
    done = promotion_approve_standing(
        promotion_id=promotion.pk, policy=retraining.policy.number, process=retraining.process
    )
    given = done.approvals.select_related("approver", "standing")
    told = ", ".join(f"{one.standing} of {one.approver}" for one in given)
    more = "" if done.state != PromotionState.REQUESTED else " The policy of its tier asks for more, which people give."
    return f"Approved beforehand, by {told}.{more}"


def _leave(retraining: Retraining, judged: Judged, *, now: datetime) -> None:
    """Leave a version that is good enough to people, as the policy says."""
    text = f"{judged.text} By its policy a person asks for the promotion."
    move(retraining, Event.REST, text, action="retraining.rest", now=now, comparison=judged.comparison)


def _measured_again(
    retraining: Retraining, version: ModelVersion, rows: DatasetVersion, champion: ModelVersion | None
) -> None:
    """Have the version compared with another champion, once."""
    known = version.evaluations.filter(dataset_version=rows, against=champion).first()
    job = None if known else evaluation_start(actor=owner_of(retraining), version=version, dataset_version=rows)
    retraining.evaluation = known or version.evaluations.get(job=job)
    retraining.save(update_fields=["evaluation"])


def _decided(retraining: Retraining, *, now: datetime) -> None:
    """End a retraining as people decided on its promotion."""
    promotion, version = retraining.promotion, retraining.version
    assert promotion is not None  # noqa: S101  set where it was proposed, like the version
    assert version is not None  # noqa: S101
    state = PromotionState(promotion.state)
    if state is PromotionState.COMPLETED:
        move(retraining, Event.PROMOTE, f"v{version.number} is champion.", action="retraining.promote", now=now)
    elif state in OVER:
        decision = promotion.approvals.last()
        said = promotion.outcome or (decision.reason if decision else "")
        move(retraining, Event.REFUSE, f"{OVER[state]} {said}".strip(), action="retraining.refuse", now=now)
