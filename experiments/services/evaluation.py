"""Evaluation: how a model is measured, asking for it once, and recording what was measured as evidence."""

from collections.abc import Iterable
from typing import Any

from experiments.measuring import Measuring
from experiments.models import DatasetVersion, Evaluation, EvaluationPlan, plan_in_force
from experiments.suites import Measurement, Plan, PlanError, read_plan
from jobs.models import Job
from jobs.services import job_create
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import ArtifactState, Evidence, ModelVersion, RegisteredModel, Role
from registry.services import evidence_record


@audited()
def evaluation_plan_change(*, actor: Actor, model: RegisteredModel, document: Any, reason: str) -> EvaluationPlan:
    """Declare how versions of ``model`` are measured from now on; what was measured before stays as it was.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: the document is no plan, or there is no reason.
        ConflictError: it is the plan in force already.
    """
    actor.require(model.team, Role.ENGINEER)
    RegisteredModel.objects.hold(model.pk)
    try:
        plan = read_plan(document)
    except PlanError as error:
        raise InvalidError(str(error), field=error.field) from None
    if not reason.strip():
        raise InvalidError("Say why it is measured this way.", field="reason")
    before = plan_in_force(model)
    if plan == (before.plan if before else Plan()):
        raise ConflictError(f"{model.name} is measured this way already.")
    made = EvaluationPlan.objects.create(
        model=model, number=before.number + 1 if before else 1, document=plan.document(), reason=reason.strip(),
        made_by=actor.user,
    )  # fmt: skip
    audit(
        action="evaluation_plan.change", subject=model.path, actor=actor, team=model.team.slug,
        payload={"number": made.number, "reason": made.reason, "before": before.document if before else {},
                 "after": made.document},
    )  # fmt: skip
    return made


@audited()
def evaluation_start(*, actor: Actor, version: ModelVersion, dataset_version: DatasetVersion) -> Job:
    """Queue a job that measures ``version`` on held-out rows, alone and against the present champion, if there is one.

    What is measured follows the model's task and its plan. The same measuring is done once: it gives the same numbers. With
    another champion or another plan it is another one.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: the data are another team's, or lack what the suite or the plan needs.
        ConflictError: the artifact is not verified, or this was measured before or is being measured.
    """
    team = version.model.team
    actor.require(team, Role.ENGINEER)
    if dataset_version.dataset.team_id != team.pk:
        raise InvalidError(f"{dataset_version} is another team's data.", field="dataset_version")
    if version.artifact_state != ArtifactState.VERIFIED:
        raise ConflictError(f"{version} is not verified, so it cannot be measured. {version.refusal}".strip())
    RegisteredModel.objects.hold(version.model_id)  # champion and plan stay as they are
    measuring = Measuring.of(version)
    if refusal := measuring.refusal(dataset_version):
        raise InvalidError(refusal, field="dataset_version")
    suite, against = measuring.suite(dataset_version), measuring.against
    before = measuring.before(dataset_version)
    if before and before.stands:
        raise ConflictError(
            f"{version} is measured on {dataset_version} by job {before.job_id}, which has {before.job.state}."
        )
    job = job_create(
        kind="evaluate", scope=team.slug, title=f"Evaluate {version} on {dataset_version}", subject=version.path,
        created_by=actor.user,
    )  # fmt: skip
    if before:
        before.job = job
        before.save(update_fields=["job"])
    else:
        Evaluation.objects.create(
            version=version, dataset_version=dataset_version, suite=suite, plan=measuring.plan, against=against, job=job
        )
    audit(
        action="evaluation.start", subject=version.path, actor=actor, team=team.slug,
        payload={"job": job.pk, "data_digest": dataset_version.digest, "suite": suite,
                 "against": against.number if against else None},
    )  # fmt: skip
    return job


@audited()
def evaluation_record(*, evaluation: Evaluation, measurements: Iterable[Measurement]) -> list[Evidence]:
    """Record what ``evaluation`` measured; of the same data in the same suite each value is recorded once.

    What was recorded by an evaluation against another champion is left as it is: it is the same number.

    Raises:
        ConflictError: this evaluation was recorded before.
    """
    data, version = evaluation.dataset_version, evaluation.version
    RegisteredModel.objects.hold(version.model_id)
    if Evidence.objects.filter(job=evaluation.job).exists():
        raise ConflictError(f"What job {evaluation.job_id} measured was recorded before.")
    known = set(
        Evidence.objects.filter(version=version, data_digest=data.digest, suite=evaluation.suite).values_list(
            "metric", "data_slice", "against_id"
        )
    )
    return [
        evidence_record(
            version=version, job=evaluation.job, metric=found.metric, value=found.value, ci_low=found.low,
            ci_high=found.high, sample_size=found.rows, against=evaluation.against if found.paired else None,
            data_set=data.dataset.name, data_digest=data.digest, data_slice=found.data_slice, detail=found.detail,
            suite=evaluation.suite, undecided=found.undecided,
        )
        for found in measurements
        if (found.metric, found.data_slice, evaluation.against_id if found.paired else None) not in known
    ]  # fmt: skip
