"""Model versions: registration."""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import User
from django.db import connection

from jobs.models import Job
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.models import ModelVersion, RegisteredModel, Role, VersionTag
from registry.sources import check_source

_NEXT_NUMBER = """
    UPDATE registry_registeredmodel SET last_number = last_number + 1, updated_at = statement_timestamp() WHERE id = %s
    RETURNING last_number"""


@audited()
def version_create(
    *, actor: Actor, model: RegisteredModel, source: str, run_id: str = "", run_link: str = "", description: str = "",
    tags: Mapping[str, str] | None = None, data_digest: str = "", job: Job | None = None,
    contributors: Iterable[User] = (), logged_model_id: str = "",
) -> ModelVersion:  # fmt: skip
    """Register the next version of ``model``; its artifact is read afterwards by a job, and settled by ``version_settle``.

    Args:
        source: where the artifact lies, as MLflow knows it: ``runs:/…``, ``mlflow-artifacts:/…`` or ``models:/…``.
        contributors: who helped to make it, beside the actor; none of them may approve it.

    Raises:
        InvalidError: the source lies outside the artifact store (T1, T2, T3).
    """
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    check_source(source)
    version = ModelVersion.objects.create(
        model=model, number=_next_number(model), source=source, run_id=run_id, run_link=run_link, description=description,
        data_digest=data_digest, job=job, logged_model_id=logged_model_id, created_by=actor.user,
    )  # fmt: skip
    contribution = ModelVersion.contributors.through
    contribution.objects.bulk_create(
        contribution(modelversion=version, user=user) for user in {actor.user, *contributors}
    )
    VersionTag.objects.bulk_create(VersionTag(version=version, key=k, value=v) for k, v in (tags or {}).items())
    audit(
        action="version.create", subject=version.path, actor=actor, team=model.team.slug,
        payload={"source": source, "run_id": run_id, "data_digest": data_digest, "job": job.pk if job else None},
    )  # fmt: skip
    return version


def _next_number(model: RegisteredModel) -> int:
    """Return the number after the highest ever given, and hold the model's row so that no other version gets it."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_NUMBER, [model.pk])
        return int(cursor.fetchone()[0])
