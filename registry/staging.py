"""Artifacts that lie in S3, copied to a folder of this host: what reads, scores and serves them reads files alone."""

import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from registry.artifacts import MAX_FILES, ArtifactError


def stage(path: str) -> Path:
    """Make sure that the files of ``path`` lie below ``ARTIFACT_ROOT``, and return their folder.

    A copy that is there stays as it is: registered files never change, and whatever loads them checks their digests.

    Args:
        path: relative to the artifact root.

    Raises:
        ArtifactError: a name in the store would leave the folder, there are too many files, or S3 does not answer.
    """
    folder: Path = settings.ARTIFACT_ROOT / path
    if not settings.ARTIFACT_STORE.startswith("s3://") or folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder.parent))
    partial.chmod(0o755)  # gateways may run as another user
    try:
        if _copied(path, partial):
            partial.rename(folder)
    except OSError:
        if not folder.exists():  # unless another process was faster
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def deposit(path: str) -> None:
    """Copy a file below ``ARTIFACT_ROOT`` to S3, where artifacts lie there, for :func:`stage` on any host.

    Raises:
        ArtifactError: S3 does not take it.
    """
    if not settings.ARTIFACT_STORE.startswith("s3://"):
        return
    import boto3
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    store = urlsplit(settings.ARTIFACT_STORE)
    key = "/".join(part for part in (store.path.strip("/"), path) if part)
    try:
        boto3.client("s3").upload_file(str(settings.ARTIFACT_ROOT / path), store.netloc, key)
    except (BotoCoreError, ClientError, S3UploadFailedError) as error:
        raise ArtifactError(f"The artifact store did not take {path}: {error}") from error


def _copied(path: str, target: Path) -> int:
    """Copy each object below ``path`` of the store, and return how many there were."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    store = urlsplit(settings.ARTIFACT_STORE)
    prefix = f"{'/'.join(part for part in (store.path.strip('/'), path) if part)}/"
    try:
        s3 = boto3.client("s3")
        keys = _keys(s3, store.netloc, prefix)
        for key in keys:
            file = target / key.removeprefix(prefix)
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(store.netloc, key, str(file))
    except (BotoCoreError, ClientError) as error:
        raise ArtifactError(f"The artifact store did not hand over {path}: {error}") from error
    return len(keys)


def _keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    keys: list[str] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            name = found["Key"].removeprefix(prefix)
            if not name.isprintable() or any(part in ("", ".", "..") for part in name.split("/")):
                raise ArtifactError(f"The object name {name!r} is none that an artifact needs.")
            keys.append(found["Key"])
        if len(keys) > MAX_FILES:
            raise ArtifactError(f"The artifact holds more than {MAX_FILES} files.")
    return keys
