"""Uploads: files that people send, kept until a job has made a version of them."""

import shutil
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from experiments.intake.incoming import Incoming
from experiments.models import Dataset, DatasetUpload
from experiments.sourcing.looking import file_found
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import Role

DAY_S = 86_400


def upload_begin(*, actor: Actor, dataset: Dataset) -> Incoming:
    """Make room for a file that arrives in pieces; it is gone again unless :func:`upload_keep` keeps it.

    Raises:
        RoleError: the actor is no engineer of the team.
    """
    actor.require(dataset.team, Role.ENGINEER)
    return Incoming(Path(settings.UPLOAD_ROOT), settings.SOURCE_MAX_BYTES)


def upload_keep(*, actor: Actor, dataset: Dataset, name: str, incoming: Incoming) -> DatasetUpload:
    """Look at the first rows of a file that has arrived, and keep it.

    Args:
        name: as its sender calls it; no path is made of it.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: it is neither CSV nor Parquet, or has too many columns.
    """
    incoming.close()
    format = DatasetUpload.Format.PARQUET if incoming.begins == b"PAR1" else DatasetUpload.Format.CSV
    found = file_found(incoming.path, format)
    if len(found.columns) > settings.SOURCE_MAX_COLUMNS:
        raise InvalidError(
            f"The file has {len(found.columns):,} columns, more than the {settings.SOURCE_MAX_COLUMNS:,} that are taken.",
            field="file",
        )
    shown = {"columns": found.columns, "dialect": found.dialect.as_json() if found.dialect else None}
    upload = _upload_record(
        actor=actor, dataset=dataset, name=Path(name.replace("\\", "/")).name[:200] or "upload", format=format,
        size=incoming.size, digest=incoming.digest, file=incoming.path.name, found=shown,
    )  # fmt: skip
    incoming.keep()
    return upload


def upload_receive(*, actor: Actor, dataset: Dataset, name: str, chunks: Iterable[bytes]) -> DatasetUpload:
    """Write a file to disk as it arrives, and keep it; arguments and errors as above.

    Raises:
        TooLargeError: it is larger than may be; nothing of it is kept.
    """
    with upload_begin(actor=actor, dataset=dataset) as incoming:
        for chunk in chunks:
            incoming.write(chunk)
        return upload_keep(actor=actor, dataset=dataset, name=name, incoming=incoming)


@audited()
def _upload_record(*, actor: Actor, dataset: Dataset, **values: Any) -> DatasetUpload:
    """Keep a file that a person sent, until a job has made a version of it."""
    actor.require(dataset.team, Role.ENGINEER)
    upload = DatasetUpload.objects.create(dataset=dataset, created_by=actor.user, **values)
    audit(
        action="dataset.upload", subject=dataset.path, actor=actor, team=dataset.team.slug,
        payload={"file": upload.name, "bytes": upload.size, "digest": upload.digest},
    )  # fmt: skip
    return upload


def uploads_forget(*, now: datetime) -> int:
    """Delete files that waited too long to become a version, and what jobs and requests that were killed left on the way."""
    old = DatasetUpload.objects.filter(created_at__lt=now - timedelta(days=settings.UPLOAD_KEEP_DAYS))
    gone = [upload.place for upload in old if upload.place.exists()]
    for path in gone:
        path.unlink(missing_ok=True)
    for left in Path(settings.DATA_ROOT).glob(".ingest-*"):
        if _is_old(left):
            shutil.rmtree(left, ignore_errors=True)
    strays = {path.name: path for path in Path(settings.UPLOAD_ROOT).glob("*") if _is_old(path)}
    known = set(DatasetUpload.objects.filter(file__in=strays).values_list("file", flat=True))
    for name, path in strays.items():
        if name not in known:
            path.unlink(missing_ok=True)
    return len(gone)


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > DAY_S
