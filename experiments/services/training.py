"""Training: asking for it, and registering what came out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.models import DatasetVersion, SearchTrial, TrainingRun
from experiments.pipelines.catalogue import PIPELINES, pipelines_for
from experiments.services.evaluation import evaluation_start
from experiments.training.params import parse
from jobs.models import Job
from jobs.services import job_create
from registry.access import Actor
from registry.artifacts import ArtifactError, ArtifactReading
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import ArtifactState, RegisteredModel, Role
from registry.services import version_create, version_settle


@dataclass(frozen=True)
class TrainingResult:
    """What a training job made, once its run and model lie in MLflow."""

    run_id: str
    experiment_id: str
    logged_model_id: str
    source: str
    metrics: dict[str, float]
    importance: dict[str, float]
    detail: dict[str, Any] = field(default_factory=dict)


@audited()
def training_start(
    *, actor: Actor, model: RegisteredModel, pipeline: str, dataset_version: DatasetVersion,
    params: Mapping[str, Any] | None = None, trial: SearchTrial | None = None,
) -> Job:  # fmt: skip
    """Queue a job that trains the next version of ``model``.

    Args:
        trial: of the search that found the parameters, where one did.

    Raises:
        RoleError: the actor is no engineer of the model's team.
        InvalidError: there is no such pipeline, a parameter is not acceptable, or the data are another team's.
        ConflictError: the model is archived, or a quality check of the data failed.
    """
    check_trainable(actor, model, pipeline, dataset_version)
    chosen = asdict(parse(PIPELINES[pipeline].params, params or {}))
    job = job_create(
        kind="train", scope=model.team.slug, title=f"Train {model.name}: {PIPELINES[pipeline].title}",
        subject=model.path, created_by=actor.user,
        params={
            "model_id": model.pk, "dataset_version_id": dataset_version.pk, "pipeline": pipeline, "params": chosen,
            **({"trial_id": trial.pk} if trial else {}),
        },
    )  # fmt: skip
    audit(
        action="training.start", subject=model.path, actor=actor, team=model.team.slug,
        payload={
            "job": job.pk, "pipeline": pipeline, "params": chosen, "data_digest": dataset_version.digest,
            **({"search": trial.search_id, "trial": trial.number} if trial else {}),
        },
    )  # fmt: skip
    return job


def check_trainable(actor: Actor, model: RegisteredModel, pipeline: str, dataset_version: DatasetVersion) -> None:
    """Refuse what cannot be trained: by this person, of this model, by this pipeline, on these rows.

    Raises:
        RoleError, InvalidError, ConflictError: says which.
    """
    actor.require(model.team, Role.ENGINEER)
    if model.archived_at:
        raise ConflictError(f"{model.name} is archived; it takes no further versions.")
    fitting = [one.name for one in pipelines_for(model.task)]
    if pipeline not in fitting:
        offered = (
            f"choose one of {', '.join(fitting)}" if fitting else "none does yet; train elsewhere and register the run"
        )
        raise InvalidError(f"{pipeline} trains no model of the task {model.task}; {offered}.", field="pipeline")
    check_usable(model, dataset_version)
    if missing := [role for role in PIPELINES[pipeline].needs if not dataset_version.column_in(role)]:
        raise InvalidError(
            f"{pipeline} needs a column that is the {' and one that is the '.join(missing)}; {dataset_version} has none. "
            "Choose rows that have it, or read them in again and give a column that role.",
            field="dataset_version",
        )


@audited()
def training_register(
    *, actor: Actor, job: Job, model: RegisteredModel, dataset_version: DatasetVersion, pipeline: str,
    params: dict[str, Any], result: TrainingResult, outcome: ArtifactReading | ArtifactError,
) -> tuple[TrainingRun, Job | None]:  # fmt: skip
    """Register the version that ``job`` trained, with its lineage, and queue its evaluation.

    Args:
        outcome: what was read of its files, or why they are refused.

    Returns: the lineage row, and the evaluation's job; None where the artifact was refused, or no rows are held out.
    """
    version = version_create(
        actor=actor, model=model, source=result.source, run_id=result.run_id, job=job, contributors=[actor.user],
        data_digest=dataset_version.digest, logged_model_id=result.logged_model_id,
        description=f"{PIPELINES[pipeline].title}, trained on {dataset_version}",
        tags={"pipeline": pipeline, "dataset": str(dataset_version)},
    )  # fmt: skip
    version = version_settle(version_id=version.pk, outcome=outcome)
    run = TrainingRun.objects.create(
        job=job, dataset_version=dataset_version, version=version, pipeline=pipeline, params=params,
        metrics=result.metrics, importance=result.importance, detail=result.detail, run_id=result.run_id,
        experiment_id=result.experiment_id,
        trial_id=job.params.get("trial_id"),
    )  # fmt: skip
    audit(
        action="training.finish", subject=version.path, actor=actor, team=model.team.slug,
        payload={"job": job.pk, "run_id": result.run_id, "data_digest": dataset_version.digest},
    )  # fmt: skip
    if version.artifact_state != ArtifactState.VERIFIED or dataset_version.measured_split is None:
        return run, None
    return run, evaluation_start(actor=actor, version=version, dataset_version=dataset_version)


def check_usable(model: RegisteredModel, dataset_version: DatasetVersion) -> None:
    """Refuse data of another team, golden data, and data that failed a quality check.

    Raises:
        InvalidError, ConflictError: says which.
    """
    if dataset_version.dataset.team_id != model.team_id:
        raise InvalidError(f"{dataset_version} is another team's data.", field="dataset_version")
    if dataset_version.is_golden:
        raise ConflictError(
            f"{dataset_version} is golden: it is measured on, and never trained on.",
            unmet=[{"rule": "Nothing is trained on a golden set", "who": "you, by choosing another version"}],
        )
    if failed := dataset_version.failed_checks:
        raise ConflictError(
            f"{dataset_version} failed a quality check: {'; '.join(failed)}.",
            unmet=[{"rule": name, "who": "an engineer, by building a sound version"} for name in failed],
        )
