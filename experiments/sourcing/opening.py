"""What a declared source leads to: the uploaded file, files and tables of the team's own folder, the query."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from django.conf import settings

from experiments.intake import database, places, tables
from experiments.intake.dialects import Dialect
from experiments.models import Dataset, DatasetUpload, source_folder
from registry.errors import InvalidError
from registry.models import Team

SUFFIXES = {"csv": (".csv", ".tsv", ".txt"), "parquet": (".parquet",), "retrieval": (".jsonl", ".tsv", ".txt")}


def upload_of(dataset: Dataset, config: Mapping[str, Any]) -> DatasetUpload:
    """Return the uploaded file.

    Raises:
        InvalidError: it is there no more.
    """
    upload = dataset.uploads.filter(pk=int(config.get("upload") or 0)).first()
    if upload is None or not upload.place.exists():
        raise InvalidError(
            "The uploaded file is gone: it was made a version, or waited too long. Upload it again.", field="upload"
        )
    return upload


def files_of(team: Team, config: Mapping[str, Any], folder: Path) -> list[tuple[Path, str]]:
    """Return the files, each with its ETag where it lies on S3.

    Args:
        folder: for copies of what lies on S3.

    Raises:
        InvalidError: there are none, too many, or they lie elsewhere.
    """
    suffixes, most = SUFFIXES[config["format"]], settings.SOURCE_MAX_BYTES
    if config["on"] == "s3":
        bucket, key = places.s3_place(settings.SOURCES_S3, team.slug, config["place"])
        return list(places.s3_files(bucket, key, folder, suffixes, most))
    root = source_folder(team.slug)
    return [(path, "") for path in places.local_files(places.local(root, config["place"]), root, suffixes, most)]


def retrieval_folder(team: Team, config: Mapping[str, Any], folder: Path) -> Path:
    """Return the folder that holds documents, queries and judgements; arguments as for :func:`files_of`."""
    files = files_of(team, config, folder)
    return files[0][0].parent


def table_of(team: Team, config: Mapping[str, Any]) -> DeltaTable:
    """Open a Delta table that reads no file but its own.

    Raises:
        InvalidError: there is none, or its log leads elsewhere.
    """
    if config["on"] == "s3":
        bucket, key = places.s3_place(settings.SOURCES_S3, team.slug, config["place"])
        table = tables.opened(f"s3://{bucket}/{key}", places.s3_options())
        places.table_files_inside(table, f"/{key}")
        return table
    root = source_folder(team.slug)
    target = places.local(root, config["place"])
    places.local_table(target, root)
    table = tables.opened(str(target.resolve()))
    places.table_files_inside(table, str(target.resolve()))
    return table


def query_of(config: Mapping[str, Any]) -> database.Query:
    """Return the query as it was declared."""
    return database.Query(config["query"], config["watermark"], config["start"])


def dialect_in(config: Mapping[str, Any]) -> Dialect | None:
    """Return how the file is written, where a person said so."""
    return Dialect(**config["dialect"]) if config.get("dialect") else None
