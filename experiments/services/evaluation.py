"""Evaluation: asking for it once, and recording what was measured as evidence."""

from collections.abc import Iterable

from experiments.models import DatasetVersion, Evaluation
from experiments.suites import SUITE, Measurement
from jobs.models import Job
from jobs.services import job_create
from jobs.states import State
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import ArtifactState, Evidence, ModelVersion, RegisteredModel, Role
from registry.services import evidence_record
from serving.contract import CHAMPION


@audited()
def evaluation_start(*, actor: Actor, version: ModelVersion, dataset_version: DatasetVersion) -> Job:
    """Queue a job that measures ``version`` on held-out rows, alone and against the present champion, if there is one.

    The same measuring is done once: it gives the same numbers. With another champion it is another one.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: the data are another team's.
        ConflictError: the artifact is not verified, or this was measured before or is being measured.
    """
    team = version.model.team
    actor.require(team, Role.ENGINEER)
    if dataset_version.dataset.team_id != team.pk:
        raise InvalidError(f"{dataset_version} is another team's data.", field="dataset_version")
    if version.artifact_state != ArtifactState.VERIFIED:
        raise ConflictError(f"{version} is not verified, so it cannot be measured. {version.refusal}".strip())
    RegisteredModel.objects.select_for_update(of=("self",)).get(pk=version.model_id)  # the champion stays as it is
    champion = ModelVersion.objects.filter(aliases__name=CHAMPION, aliases__model=version.model_id).first()
    against = champion if champion != version else None
    before = Evaluation.objects.filter(
        version=version, dataset_version=dataset_version, suite=SUITE, against=against
    ).first()
    if before and before.job.state not in (State.FAILED, State.CANCELLED):
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
            version=version, dataset_version=dataset_version, suite=SUITE, against=against, job=job
        )
    audit(
        action="evaluation.start", subject=version.path, actor=actor, team=team.slug,
        payload={"job": job.pk, "data_digest": dataset_version.digest, "against": against.number if against else None},
    )  # fmt: skip
    return job


@audited()
def evaluation_record(*, evaluation: Evaluation, measurements: Iterable[Measurement]) -> list[Evidence]:
    """Record everything that ``evaluation`` measured; a second time is refused by the registry.

    Raises:
        ConflictError: it was recorded before.
    """
    data = evaluation.dataset_version
    return [
        evidence_record(
            version=evaluation.version, job=evaluation.job, metric=found.metric, value=found.value, ci_low=found.low,
            ci_high=found.high, sample_size=found.rows, against=evaluation.against if found.paired else None,
            data_set=data.dataset.name, data_digest=data.digest, data_slice=found.data_slice, detail=found.detail,
        )
        for found in measurements
    ]  # fmt: skip
