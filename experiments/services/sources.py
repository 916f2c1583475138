"""Sources of data sets: declaring what is read, reading it by hand or by the clock, and letting it go."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F

from experiments.intake.turns import check_cron, turn_due
from experiments.models import Dataset, DatasetSource, DatasetVersion
from experiments.rows.describing import Description
from experiments.rows.roles import check_columns, the_column
from experiments.rows.splitting import SPLIT_COLUMN, SplitPolicy
from experiments.services.datasets import dataset_version_add
from experiments.services.source_terms import checked_config, policy_for
from experiments.sourcing.documents import retrieval_columns
from experiments.sourcing.fetching import Fetched
from jobs.models import Job
from jobs.services import job_create
from jobs.states import State
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import Role

UNDER_WAY = (State.QUEUED, State.RUNNING)


@audited()
def source_declare(
    *, actor: Actor, dataset: Dataset, kind: str, config: Mapping[str, Any], columns: Sequence[Mapping[str, str]],
    split: Mapping[str, Any], cron: str = "", time_zone: str = "UTC",
) -> DatasetSource:  # fmt: skip
    """Declare where the rows of a data set come from, what its columns are, and how its rows are split.

    Args:
        config: what is read: {upload, dialect}, {on, place, format, dialect} or {connection, query, watermark, start}.
        columns: [{name, type, role, meaning}] of what is kept; documents, queries and judgements have their own.
        split: as ``SplitPolicy``; ``column`` may be left out where a role says it.
        cron: when it is run again, in ``time_zone``; empty: when somebody asks.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: names the field.
    """
    actor.require(dataset.team, Role.ENGINEER)
    kept = [{"meaning": "", **column} for column in columns]
    checked = checked_config(dataset, kind, config)
    if checked.get("format") == "retrieval":
        kept, policy = retrieval_columns(), SplitPolicy("given", SPLIT_COLUMN)
    else:
        policy = policy_for(kept, split)
        check_columns(kept if the_column(kept, "key") else [*kept, {"name": "\x00", "type": "string", "role": "key"}])
    if kind == DatasetSource.Kind.POSTGRES and not the_column(kept, "key"):
        raise InvalidError(
            "Rows that are added to need a key of their own: choose the column that names a row.", field="columns"
        )
    if cron:
        check_cron(cron, time_zone)
        if kind == DatasetSource.Kind.UPLOAD:
            raise InvalidError("An upload happens once; a schedule is for files, tables and queries.", field="cron")
    source = DatasetSource.objects.create(
        dataset=dataset, kind=kind, config=checked, columns=kept, split=policy.as_json(), cron=cron, time_zone=time_zone,
        created_by=actor.user,
    )  # fmt: skip
    audit(
        action="source.declare", subject=source.path, actor=actor, team=dataset.team.slug,
        payload={"kind": kind, "reads": source.title, "columns": len(kept), "split": policy.kind, "cron": cron},
    )  # fmt: skip
    return source


@audited()
def source_run_start(*, actor: Actor, source: DatasetSource) -> Job:
    """Queue a job that reads a source into the next version.

    Raises:
        RoleError: the actor is no engineer of the team.
        ConflictError: it was let go, or is being read.
    """
    actor.require(source.dataset.team, Role.ENGINEER)
    return _start(source, actor.user, actor=actor)


def _start(source: DatasetSource, user: Any, *, actor: Actor | None) -> Job:
    """Queue a job that reads a source into the next version."""
    DatasetSource.objects.select_for_update(of=("self",), no_key=True).get(pk=source.pk)
    if source.retired_at:
        raise ConflictError("This source was let go; declare another one.")
    running = Job.objects.filter(
        kind="dataset_ingest", subject=source.dataset.path, params__source_id=source.pk, state__in=UNDER_WAY
    )
    if found := running.first():
        raise ConflictError(f"Job {found.pk} is reading this source; wait until it has ended.")
    team = source.dataset.team
    job = job_create(
        kind="dataset_ingest", scope=team.slug, title=f"Read {source.title} into {source.dataset.name}"[:200],
        subject=source.dataset.path, params={"source_id": source.pk}, created_by=user,
    )  # fmt: skip
    audit(
        action="source.run", subject=source.path, actor=actor, process="" if actor else "schedule", team=team.slug, payload={"job": job.pk},
    )  # fmt: skip
    return job


@audited()
def source_retire(*, actor: Actor, source: DatasetSource, now: datetime) -> None:
    """Let a source go: it is not read again; what was made of it stays.

    Raises:
        RoleError: the actor is no engineer of the team.
    """
    actor.require(source.dataset.team, Role.ENGINEER)
    DatasetSource.objects.filter(pk=source.pk, retired_at=None).update(retired_at=now)
    audit(action="source.retire", subject=source.path, actor=actor, team=source.dataset.team.slug, payload={})


def sources_due(*, now: datetime) -> list[Job]:
    """Start each source whose schedule has come due, once for each turn; safe to run twice."""
    started = []
    for source in (
        DatasetSource.objects.exclude(cron="").filter(retired_at=None).select_related("dataset__team", "created_by")
    ):
        turn = turn_due(source.cron, source.time_zone, since=source.turn_at or source.created_at, now=now)
        if turn and (job := _take_turn(source, turn)):
            started.append(job)
    return started


@audited()
def _take_turn(source: DatasetSource, turn: datetime) -> Job | None:
    taken = DatasetSource.objects.filter(pk=source.pk, turn_at=source.turn_at).update(turn_at=turn)
    if not taken:
        return None
    try:
        return _start(source, source.created_by, actor=None)
    except ConflictError:
        return None  # the last turn is still being read


def ingest_record(
    *, actor: Actor, source: DatasetSource, description: Description, fetched: Fetched, job: Job
) -> DatasetVersion:  # fmt: skip
    """Add what was read of a source as the next version.

    Raises:
        ConflictError: the source was read otherwise meanwhile.
    """
    Dataset.objects.filter(pk=source.dataset_id).update(last_number=F("last_number"))  # holds the row's lock
    if source.kind == source.Kind.POSTGRES and source.versions.order_by("-number").first() != fetched.parent:
        raise ConflictError("Another job read this source meanwhile, so these rows are not added again.")
    return dataset_version_add(
        actor=actor, dataset=source.dataset, description=description, job=job, made_from=source, query=fetched.told, parent=fetched.parent,
    )  # fmt: skip
