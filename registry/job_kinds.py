"""The work of the registry that is done in the background."""

from jobs.kinds import JobContext, job_kind
from registry.services.artifacts import READ_KIND


@job_kind(READ_KIND, queue="registry", timeout_s=1800, memory_mb=1024, max_attempts=2)
def artifact_read(ctx: JobContext) -> None:
    """Read a version's files, in a child that may die, and settle whether they are verified or refused."""
    from registry.adapters import read_source
    from registry.artifacts import ArtifactError, ArtifactReading
    from registry.models import ModelVersion
    from registry.services import version_settle

    version = ModelVersion.objects.select_related("model__team").get(pk=ctx.params["version_id"])
    ctx.progress(0.1, "Reading and hashing the files")
    outcome: ArtifactReading | ArtifactError
    try:
        outcome = read_source(version.source, version.run_id, team=version.model.team)
        ctx.log(f"{len(outcome.manifest)} files, {outcome.digest}: {outcome.format}")
    except ArtifactError as error:
        outcome = error
    ctx.log(str(outcome) if isinstance(outcome, ArtifactError) else outcome.refusal or "servable")
    result = {"version": version.path}
    with ctx.finish(result):
        settled = version_settle(version_id=version.pk, outcome=outcome)
        result["artifact_state"] = settled.artifact_state
