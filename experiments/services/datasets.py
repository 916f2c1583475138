"""Data sets and their versions."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from experiments.builders.catalogue import BUILDERS
from experiments.models import Dataset, DatasetVersion
from experiments.rows.describing import Description
from experiments.training.params import parse
from jobs.models import Job
from jobs.services import job_create
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import Role, Team
from registry.services import data_set_record

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
RESERVED = "new"  # the address of the page that makes one


@audited()
def dataset_create(*, actor: Actor, team: Team, name: str, description: str = "") -> Dataset:
    """Make an empty data set; its rows come with its first version.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: the name is not lower-case letters, digits and hyphens.
        ConflictError: another data set, of any team, has the name.
    """
    actor.require(team, Role.ENGINEER)
    if name == RESERVED or not _NAME.fullmatch(name):
        raise InvalidError(
            "name must be 1 to 100 lower-case letters, digits or hyphens between them; the name “new” is taken.",
            field="name",
        )
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(team=team, name=name, description=description, created_by=actor.user)
    except IntegrityError:
        raise ConflictError(f"A data set named {name} exists, perhaps in another team. Choose another name.") from None
    audit(action="dataset.create", subject=dataset.path, actor=actor, team=team.slug, payload={"name": name})
    return dataset


@audited()
def dataset_build_start(*, actor: Actor, dataset: Dataset, builder: str, params: Mapping[str, Any]) -> Job:
    """Queue a job that builds the next version of ``dataset``.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: there is no such builder, or a parameter is not acceptable.
    """
    actor.require(dataset.team, Role.ENGINEER)
    if builder not in BUILDERS:
        raise InvalidError(f"builder must be one of {', '.join(BUILDERS)}.", field="builder")
    chosen = asdict(parse(BUILDERS[builder].params, params))
    job = job_create(
        kind="dataset_build", scope=dataset.team.slug, title=f"Build {dataset.name}", subject=dataset.path,
        params={"dataset_id": dataset.pk, "builder": builder, "params": chosen}, created_by=actor.user,
    )  # fmt: skip
    audit(
        action="dataset.build", subject=dataset.path, actor=actor, team=dataset.team.slug,
        payload={"job": job.pk, "builder": builder, "params": chosen},
    )  # fmt: skip
    return job


@audited()
def dataset_version_add(
    *, actor: Actor, dataset: Dataset, description: Description, job: Job | None = None, **fields: Any
) -> DatasetVersion:  # fmt: skip
    """Add rows that were saved as the next version; rows that a version holds already give that version back.

    Args:
        fields: as :func:`version_make` takes them: parent, source and what was asked of it.

    Raises:
        RoleError: the actor is no engineer of the team.
    """
    actor.require(dataset.team, Role.ENGINEER)
    same = version_of_rows(dataset, description)
    return same or version_make(actor=actor, dataset=dataset, description=description, job=job, **fields)


def version_of_rows(dataset: Dataset, description: Description) -> DatasetVersion | None:
    """Return the version that holds these rows already, if there is one, and hold up others that add to the data set."""
    Dataset.objects.filter(pk=dataset.pk).update(last_number=F("last_number"))  # holds the row's lock
    return dataset.versions.filter(digest=description.saved.digest).first()


def version_make(
    *, actor: Actor, dataset: Dataset, description: Description, job: Job | None, parent: DatasetVersion | None = None,
    **fields: Any,
) -> DatasetVersion:  # fmt: skip
    """Write the next version, which follows ``parent`` or the one before, and tell of it."""
    Dataset.objects.filter(pk=dataset.pk).update(last_number=F("last_number") + 1)
    version = DatasetVersion.objects.create(
        dataset=dataset, number=Dataset.objects.values_list("last_number", flat=True).get(pk=dataset.pk),
        digest=description.saved.digest, file=description.saved.file, rows=description.saved.rows,
        columns=description.columns, time_column=description.time_column, target=description.target,
        key=description.key, target_kind=description.target_kind, starts_at=description.starts_at, ends_at=description.ends_at,
        splits=description.splits, split_policy=description.policy.as_json(),
        profile=description.profile, checks=description.checks, source=description.source,
        parent=parent or dataset.versions.first(), job=job, created_by=actor.user, **fields,
    )  # fmt: skip
    audit(
        action="dataset.version", subject=version.path, actor=actor, team=dataset.team.slug,
        payload={"digest": version.digest, "rows": version.rows, "job": job.pk if job else None},
    )  # fmt: skip
    data_set_record(team=dataset.team, name=dataset.name, digest=version.digest)
    return version
