"""Batch scoring: asking for it, and recording that it is done."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from experiments.models import BatchScoring, DatasetVersion, inputs_of
from jobs.models import Job
from jobs.services import job_create
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import ModelVersion, Role, Team
from registry.selectors.servables import is_routable
from serving.contract import FORECASTING, RETRIEVER


@audited()
def batch_start(
    *, actor: Actor, version: ModelVersion, dataset_version: DatasetVersion | None = None, place: str = "",
    format: str = "parquet", keep: Sequence[str] = (), horizon: int | None = None,
) -> Job:  # fmt: skip
    """Queue a job that scores rows with ``version``.

    Args:
        dataset_version: the rows; or else:
        place: of a file, a folder of files or a Delta table, within the team's folder.
        format: of what lies there.
        keep: columns to write beside the predictions, such as the one that names a row.
        horizon: steps of a forecast; None: as many as the version's signature says.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: there is no such input, or a parameter makes no sense.
        ConflictError: the version cannot be served.
    """
    team = version.model.team
    actor.require(team, Role.ENGINEER)
    if not is_routable(version):
        raise ConflictError(
            f"{version} cannot score: {version.refusal or 'its files are not read, they name no inputs, or it is retired'}."
        )
    if version.format == RETRIEVER:
        raise ConflictError(
            f"{version} finds documents for queries and scores no rows. Ask the gateway, up to 64 queries a request; an evaluation "
            "measures it on held-out queries."
        )
    if bool(place) == bool(dataset_version):
        raise InvalidError("Name one input: a data set version, or a file of your team's folder.", field="place")
    if dataset_version and dataset_version.dataset.team_id != team.pk:
        raise InvalidError(f"{dataset_version} is another team's data.", field="dataset_version")
    if horizon is not None and (version.model.task != FORECASTING or horizon < 1):
        raise InvalidError("A horizon is for forecasts alone, and at least 1.", field="horizon")
    place = check_place(team, place) if place else ""
    job = job_create(
        kind="batch_score", scope=team.slug, title=f"Score {dataset_version or place} with {version}",
        subject=version.path, created_by=actor.user,
    )  # fmt: skip
    scoring = BatchScoring.objects.create(
        version=version, job=job, dataset_version=dataset_version, place=place,
        format="parquet" if dataset_version else format, keep=list(dict.fromkeys(keep)), horizon=horizon,
        created_by=actor.user,
    )  # fmt: skip
    audit(
        action="batch.start", subject=version.path, actor=actor, team=team.slug,
        payload={
            "job": job.pk, "input": scoring.input_name, "digest": version.artifact_digest,
            "data_digest": dataset_version.digest if dataset_version else None,
        },
    )  # fmt: skip
    return job


@audited()
def batch_record(*, scoring: BatchScoring, rows: int, input_version: int | None) -> None:
    """Note that all rows are scored."""
    BatchScoring.objects.filter(pk=scoring.pk).update(rows=rows, input_version=input_version)
    audit(
        action="batch.finish", subject=scoring.version.path, actor=None, process=f"job:{scoring.job_id}",
        team=scoring.version.model.team.slug, payload={"job": scoring.job_id, "rows": rows, "output": str(scoring.output)},
    )  # fmt: skip


def check_place(team: Team, place: str) -> str:
    """Return ``place``, normalised, if something lies there that is the team's.

    Raises:
        InvalidError: it climbs out of the team's folder, or there is nothing.
    """
    folder, parts = inputs_of(team), PurePosixPath(place).parts
    if "\x00" in place or ".." in parts or place.startswith("/"):
        raise InvalidError(
            f"{place!r} is no place within your team's folder: give it relative, without “..”.", field="place"
        )
    target = folder.joinpath(*parts)
    if not target.exists() or not target.resolve().is_relative_to(folder.resolve()):
        raise InvalidError(f"There is no {place} in {folder}: put the file there, then ask again.", field="place")
    return str(Path(*parts))
