"""Uploads: files that people send, kept until a job has made a version of them."""

import hashlib
import shutil
import time
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from experiments.models import Dataset, DatasetUpload
from experiments.sourcing.looking import file_found
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import Role


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
