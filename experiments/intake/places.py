"""Where a team's files lie: below its folder on this host, or below its prefix on S3. Nothing else is ever opened."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from deltalake import DeltaTable

from registry.errors import InvalidError

MOST_FILES = 1_000
_PLAIN = re.compile(r"[^\x00-\x1f\\#?;%]+")


def checked_place(place: str) -> str:
    """Return a relative place, normalised.

    Raises:
        InvalidError: it is empty, absolute, climbs, or holds what has no place in a name (T2).
    """
    parts = PurePosixPath(place).parts
    if not parts or place.startswith("/") or ".." in parts or not _PLAIN.fullmatch(place):
        raise InvalidError(
            f"{place!r} is no place within your team's folder: give it relative, without “..” or special characters.",
            field="place",
        )
    return str(PurePosixPath(*parts))


def local(folder: Path, place: str) -> Path:
    """Return what lies at ``place`` within ``folder``.

    Raises:
        InvalidError: there is nothing, or it is a link that leads out of the folder.
    """
    target = folder.joinpath(checked_place(place))
    if not target.exists() or not _inside(target, folder):
        raise InvalidError(f"There is no {place} in {folder}: put it there, then ask again.", field="place")
    return target


def local_files(target: Path, folder: Path, suffixes: tuple[str, ...], most_bytes: int) -> list[Path]:
    """Return a file, or the files of a folder that end in one of ``suffixes``, in order of their names.

    Raises:
        InvalidError: there are none, too many, they are too large together, or one is a link that leads out of ``folder``.
    """
    found = (
        [target]
        if target.is_file()
        else sorted(path for path in target.iterdir() if path.name.lower().endswith(suffixes))
    )
    for path in found:
        if not path.is_file() or not _inside(path, folder):
            raise InvalidError(f"{path.name} is no file within your team's folder.", field="place")
    return _bounded(found, [path.stat().st_size for path in found], suffixes, most_bytes)


def local_table(target: Path, folder: Path) -> None:
    """See that the files of a Delta table lie within the folder; its log may name others.

    Raises:
        InvalidError: one does not.
    """
    for directory, folders, names in os.walk(target):
        for name in [*folders, *names]:
            if (Path(directory) / name).is_symlink():
                raise InvalidError(f"The table holds a link, {name}; it is not followed.", field="place")


def table_files_inside(table: DeltaTable, root: str) -> None:
    """See that a Delta table reads no file but its own.

    Raises:
        InvalidError: its log names one that lies elsewhere.
    """
    for uri in table.file_uris():
        path = unquote(urlsplit(uri).path) if "://" in uri else uri
        if ".." in PurePosixPath(path).parts or not path.startswith(root.rstrip("/") + "/"):
            raise InvalidError("The table's log names a file outside of the table; it is not read.", field="place")


def s3_place(store: str, team: str, place: str) -> tuple[str, str]:
    """Return bucket and key of ``place`` below the team's prefix.

    Args:
        store: ``s3://bucket/prefix`` that the platform configured.

    Raises:
        InvalidError: none is configured, or the place is none.
    """
    if not store:
        raise InvalidError("No S3 prefix is configured for data; the platform sets SOURCES_S3.", field="place")
    parts = urlsplit(store)
    return parts.netloc, "/".join(filter(None, [parts.path.strip("/"), team, checked_place(place)]))


def s3_files(
    bucket: str, key: str, folder: Path, suffixes: tuple[str, ...], most_bytes: int
) -> Iterator[tuple[Path, str]]:
    """Copy an object, or the objects below a prefix, into ``folder``; yield each with its ETag.

    Raises:
        InvalidError: there are none, too many, they are too large together, or S3 refuses.
    """
    client = boto3.client("s3")
    try:
        sizes: dict[str, tuple[int, str]] = {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
            for one in page.get("Contents", []):
                below = one["Key"] == key or (
                    one["Key"].startswith(f"{key}/") and "/" not in one["Key"].removeprefix(f"{key}/")
                )
                if below and one["Key"].lower().endswith(suffixes):
                    sizes[one["Key"]] = (one["Size"], one["ETag"].strip('"'))
            if len(sizes) > MOST_FILES:
                break
        names = [Path(name) for name in sorted(sizes)]
        _bounded(names, [size for size, _ in sizes.values()], suffixes, most_bytes)
        for name in sorted(sizes):
            path = folder / Path(name).name
            client.download_file(bucket, name, str(path))
            yield path, sizes[name][1]
    except (BotoCoreError, ClientError) as error:
        raise InvalidError(f"S3 does not give {key}: {str(error)[:200]}", field="place") from None


def s3_options() -> dict[str, str]:
    """Return what the Delta reader needs to be told of S3: the same variables as every other client reads."""
    found: dict[str, Any] = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    if found.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        found["AWS_ALLOW_HTTP"] = "true"
    return found


def _inside(target: Path, folder: Path) -> bool:
    return target.resolve().is_relative_to(folder.resolve())


def _bounded(files: list[Path], sizes: list[int], suffixes: tuple[str, ...], most_bytes: int) -> list[Path]:
    if not files:
        raise InvalidError(f"There is no file that ends in {' or '.join(suffixes)}.", field="place")
    if len(files) > MOST_FILES:
        raise InvalidError(f"There are more than {MOST_FILES:,} files; name a folder with fewer.", field="place")
    if sum(sizes) > most_bytes:
        raise InvalidError(
            f"The files hold {sum(sizes):,} bytes, more than the {most_bytes:,} that one version takes.", field="place"
        )
    return files
