"""Reading the files of a version: asking for it, settling what was read, and keeping what its inputs looked like."""

from typing import Any

from django.db.models.functions import Now

from jobs.models import Job
from jobs.services import job_create
from jobs.states import State
from registry.access import Actor
from registry.adapters import resolve_source
from registry.artifacts import ArtifactError, ArtifactReading
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import ArtifactState, ModelVersion, ReferenceProfile, Role, VersionReading

READ_KIND = "artifact_read"


@audited()
def version_read_start(*, version_id: int, actor: Actor | None = None) -> Job | None:
    """Queue a job that reads the version's files, unless they were read or are being read.

    A version whose source names nothing that could be read is refused at once.

    Args:
        actor: who asks; None where it is the clock, which does not repeat a reading that failed.

    Returns: the job that reads it, or has read it; None where none was needed.

    Raises:
        RoleError: the actor may not write here.
    """
    version = (
        ModelVersion.objects.select_for_update(of=("self",), no_key=True)
        .select_related("model__team")
        .get(pk=version_id)
    )
    if actor:
        actor.require(version.model.team, Role.ENGINEER, Role.ADMIN)
    reading = VersionReading.objects.select_related("job").filter(version=version).first()
    before = reading.job if reading else None
    if version.artifact_state != ArtifactState.UNREAD or (
        before and (actor is None or before.state not in (State.FAILED, State.CANCELLED))
    ):
        return before
    try:
        resolve_source(version.source, version.run_id, team=version.model.team)
    except ArtifactError as error:
        version_settle(version_id=version.pk, outcome=error)
        return None
    job = job_create(
        kind=READ_KIND, scope=version.model.team.slug, title=f"Read the files of {version}", subject=version.path,
        params={"version_id": version.pk}, created_by=actor.user if actor else None,
    )  # fmt: skip
    VersionReading.objects.update_or_create(version=version, defaults={"job": job})
    audit(
        action="version.read", subject=version.path, actor=actor, process="" if actor else "registry",
        team=version.model.team.slug, payload={"job": job.pk},
    )  # fmt: skip
    return job


@audited()
def version_settle(*, version_id: int, outcome: ArtifactReading | ArtifactError) -> ModelVersion:
    """Settle the state of a version's files: verified with manifest and digest, or refused with a reason.

    Safe to run twice: a version that was read before stays as it is.
    """
    version = (
        ModelVersion.objects.select_for_update(of=("self",), no_key=True)
        .select_related("model__team")
        .get(pk=version_id)
    )
    if version.artifact_state != ArtifactState.UNREAD:
        return version
    facts: dict[str, Any] = {"read_at": Now()}
    if isinstance(outcome, ArtifactError):
        version.artifact_state = ArtifactState.REFUSED
        version.refusal = str(outcome)
    else:
        version.artifact_state = ArtifactState.VERIFIED
        version.artifact_path = outcome.path
        version.manifest = outcome.manifest
        version.artifact_digest = outcome.digest
        version.format = outcome.format
        version.signature = outcome.signature
        version.refusal = outcome.refusal
        facts |= {
            "flavors": outcome.found.flavors, "dependencies": outcome.found.dependencies,
            "example": outcome.found.example, "licence": outcome.found.licence, "conversion": outcome.conversion,
        }  # fmt: skip
    version.save(  # not updated_at: to MLflow's clients nothing changed
        update_fields=[
            "artifact_state", "artifact_path", "artifact_digest", "manifest", "format", "signature", "refusal",
        ]
    )  # fmt: skip
    VersionReading.objects.update_or_create(version=version, defaults=facts)
    audit(
        action="version.verify", subject=version.path, actor=None, process="registry", team=version.model.team.slug,
        payload={"state": version.artifact_state, "digest": version.artifact_digest, "format": version.format,
                 "refusal": version.refusal,
                 "converted": facts.get("conversion", {}).get("file", {}).get("sha256", "")},
    )  # fmt: skip
    return version


@audited()
def reference_record(
    *, version: ModelVersion, source: str, rows: int, columns: dict[str, Any], data_digest: str = "",
    score: dict[str, Any] | None = None, job: Job | None = None,
) -> ReferenceProfile | None:  # fmt: skip
    """Keep what a version's inputs looked like where it was made; once, since comparisons need one and the same.

    Args:
        source: ``training``, or ``production`` where the training rows are not known here.
        columns: {column: histogram} of ``registry.histograms``.
        score: the histogram of the score on held-out rows, or of the first answers; None where it is not known.

    Returns: the profile; None where the version has one.

    Raises:
        ConflictError: the artifact is not verified, so its columns are not known.
    """
    if version.artifact_state != ArtifactState.VERIFIED:
        raise ConflictError(f"{version} is not verified, so its columns are not known.")
    profile, made = ReferenceProfile.objects.get_or_create(
        version=version,
        defaults={
            "source": source, "rows": rows, "columns": columns, "score": score or {}, "data_digest": data_digest,
            "job": job,
        },
    )  # fmt: skip
    if not made:
        return None
    audit(
        action="version.reference", subject=version.path, actor=None, process=f"job:{job.pk}" if job else "registry",
        team=version.model.team.slug, payload={"source": source, "rows": rows, "data_digest": data_digest},
    )  # fmt: skip
    return profile
