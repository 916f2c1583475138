"""Sources of data sets: receiving a file, declaring what is read, running it, and letting it go."""

import hashlib
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F

from experiments.describing import Description
from experiments.intake import database
from experiments.intake.delimited import DECIMALS, ENCODINGS, SEPARATORS
from experiments.intake.places import checked_place
from experiments.intake.turns import check_cron, turn_due
from experiments.models import Dataset, DatasetSource, DatasetUpload, DatasetVersion
from experiments.roles import check_columns, the_column
from experiments.services.datasets import dataset_version_add
from experiments.sourcing import Fetched, connections_of, file_found, retrieval_columns
from experiments.splitting import SPLIT_COLUMN, SplitPolicy
from jobs.models import Job
from jobs.services import job_create
from jobs.states import State
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import Role

FORMATS = {
    "csv": "CSV",
    "parquet": "Parquet",
    "delta": "Delta table",
    "retrieval": "TREC or BEIR: documents, queries, judgements",
}
UNDER_WAY = (State.QUEUED, State.RUNNING)


def upload_receive(*, actor: Actor, dataset: Dataset, name: str, chunks: Iterable[bytes]) -> DatasetUpload:
    """Write a file to disk as it arrives, and look at its first rows.

    Args:
        name: as its sender calls it; no path is made of it.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: it is too large, or neither CSV nor Parquet; nothing of it is kept.
    """
    actor.require(dataset.team, Role.ENGINEER)
    name = Path(name.replace("\\", "/")).name[:200] or "upload"
    root = Path(settings.UPLOAD_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    path = root / uuid.uuid4().hex
    try:
        size, digest, begins = _written(path, chunks)
        format = DatasetUpload.Format.PARQUET if begins == b"PAR1" else DatasetUpload.Format.CSV
        found = file_found(path, format)
        if len(found.columns) > settings.SOURCE_MAX_COLUMNS:
            raise InvalidError(
                f"The file has {len(found.columns):,} columns, more than the {settings.SOURCE_MAX_COLUMNS:,} that are taken.",
                field="file",
            )
        shown = {"columns": found.columns, "dialect": found.dialect.as_json() if found.dialect else None}
        return _upload_record(
            actor=actor,
            dataset=dataset,
            name=name,
            format=format,
            size=size,
            digest=digest,
            file=path.name,
            found=shown,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@audited()
def _upload_record(*, actor: Actor, dataset: Dataset, **values: Any) -> DatasetUpload:
    """Keep a file that a person sent, until a job has made a version of it."""
    upload = DatasetUpload.objects.create(dataset=dataset, created_by=actor.user, **values)
    audit(
        action="dataset.upload", subject=dataset.path, actor=actor, team=dataset.team.slug,
        payload={"file": upload.name, "bytes": upload.size, "digest": upload.digest},
    )  # fmt: skip
    return upload


def source_check(*, actor: Actor, dataset: Dataset, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be read, checked; nothing is opened yet.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: names the field.
    """
    actor.require(dataset.team, Role.ENGINEER)
    return _config(dataset, kind, config)


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
    checked = _config(dataset, kind, config)
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


def policy_for(columns: Sequence[Mapping[str, str]], split: Mapping[str, Any]) -> SplitPolicy:
    """Return the policy that a person chose, with the column that it rests on.

    Raises:
        InvalidError: no column has the role that it needs.
    """
    kind = str(split.get("kind", ""))
    roles = {"time": ["time"], "entity": ["entity"], "random": ["query", "key"], "given": ["split"]}.get(kind, [])
    column = next((found for role in roles if (found := the_column(columns, role))), "")
    if kind == "random" and not column:
        column = "row_id"
    if kind in ("time", "entity", "given") and not column:
        raise InvalidError(f"No column is the {roles[0]}; choose it, or split in another way.", field="split/kind")
    cuts, shares = (
        dict(split.get("cuts") or {}),
        {name: float(share) for name, share in (split.get("shares") or {}).items()},
    )
    if kind == "time" and not (cuts or shares):
        raise InvalidError("Say where time is cut, or which share of the rows each split has.", field="split/shares")
    if SPLIT_COLUMN in {c["name"] for c in columns if c["role"] != "split"} and kind in ("entity", "random"):
        raise InvalidError(
            f"A column is named {SPLIT_COLUMN} already; give it the role split, or leave it out.", field="columns"
        )
    return SplitPolicy(
        kind, column, cuts=cuts, shares={} if kind == "given" else shares, seed=int(split.get("seed") or 0)
    )


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
    DatasetSource.objects.select_for_update(of=("self",)).get(pk=source.pk)
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


def uploads_forget(*, now: datetime) -> int:
    """Delete files that waited too long to become a version, and what jobs that were killed left on the way."""
    old = DatasetUpload.objects.filter(created_at__lt=now - timedelta(days=settings.UPLOAD_KEEP_DAYS))
    gone = [upload.place for upload in old if upload.place.exists()]
    for path in gone:
        path.unlink(missing_ok=True)
    for left in Path(settings.DATA_ROOT).glob(".ingest-*"):
        if time.time() - left.stat().st_mtime > 86_400:
            shutil.rmtree(left, ignore_errors=True)
    return len(gone)


def _written(path: Path, chunks: Iterable[bytes]) -> tuple[int, str, bytes]:
    total, hashed, begins = 0, hashlib.sha256(), b""
    with path.open("wb") as file:
        for chunk in chunks:
            total += len(chunk)
            if total > settings.SOURCE_MAX_BYTES:
                raise InvalidError(
                    f"The file is larger than {settings.SOURCE_MAX_BYTES:,} bytes, the most that is taken.",
                    field="file",
                )
            hashed.update(chunk)
            begins = begins if len(begins) >= 4 else (begins + chunk)[:4]
            file.write(chunk)
    return total, f"sha256:{hashed.hexdigest()}", begins


def _config(dataset: Dataset, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is read, with nothing in it that the kind does not know."""
    if kind == DatasetSource.Kind.UPLOAD:
        upload = dataset.uploads.filter(pk=int(config.get("upload") or 0)).first()
        if upload is None:
            raise InvalidError("There is no such upload of this data set.", field="upload")
        return {"upload": upload.pk, "name": upload.name, "dialect": _dialect(config)}
    if kind == DatasetSource.Kind.FILES:
        if config.get("on") not in ("local", "s3"):
            raise InvalidError("Files lie on local disk or on S3: local or s3.", field="on")
        if config.get("format") not in FORMATS:
            raise InvalidError(f"format must be one of {', '.join(FORMATS)}.", field="format")
        place = checked_place(str(config.get("place", "")))
        return {"on": config["on"], "place": place, "format": config["format"], "dialect": _dialect(config)}
    if kind == DatasetSource.Kind.POSTGRES:
        if config.get("connection") not in connections_of(dataset.team):
            raise InvalidError(
                f"Your team has no connection {config.get('connection')}; the platform configures them.",
                field="connection",
            )
        if config.get("start") in (None, ""):
            raise InvalidError("Say above which value the first run begins, such as 0 or 2020-01-01.", field="start")
        asked = database.checked(
            database.Query(str(config.get("query", "")), str(config.get("watermark", "")), config["start"])
        )
        return {
            "connection": config["connection"],
            "query": asked.text,
            "watermark": asked.watermark,
            "start": asked.start,
        }
    raise InvalidError(f"kind must be one of {', '.join(DatasetSource.Kind.values)}.", field="kind")


def _dialect(config: Mapping[str, Any]) -> dict[str, str] | None:
    given = config.get("dialect")
    if not given:
        return None
    for name, known in (("encoding", ENCODINGS), ("separator", SEPARATORS), ("decimal", DECIMALS)):
        if given.get(name) not in known:
            raise InvalidError(f"{name} must be one of {', '.join(map(repr, known))}.", field=name)
    return {name: given[name] for name in ("encoding", "separator", "decimal")}
