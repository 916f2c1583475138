"""The first rows of a source, by which a person says what its columns are for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from experiments.intake import database, delimited, tables
from experiments.intake.dialects import Dialect
from experiments.intake.found import Found
from experiments.models import Dataset, DatasetSource
from experiments.sourcing.connections import address_of
from experiments.sourcing.opening import dialect_in, files_of, query_of, retrieval_folder, table_of, upload_of
from registry.errors import InvalidError


def preview(dataset: Dataset, kind: str, config: Mapping[str, Any], folder: Path) -> Found:
    """Return what the columns of a source look like, by its first rows.

    Args:
        folder: for copies of what lies on S3.

    Raises:
        InvalidError: there is no such source, or it cannot be read; names the field.
    """
    if kind == DatasetSource.Kind.UPLOAD:
        upload = upload_of(dataset, config)
        found = file_found(upload.place, upload.format, dialect_in(config))
    elif kind == DatasetSource.Kind.POSTGRES:
        query = database.checked(query_of(config))
        with database.reading(address_of(dataset.team, config["connection"]), timeout_s=10) as opened:
            found = database.found_in(opened, query)
    elif config["format"] == "delta":
        table = table_of(dataset.team, config)
        schema, batches = tables.delta_batches(table)
        found = tables.found_in(batches, schema)
    elif config["format"] == "retrieval":
        retrieval_folder(dataset.team, config, folder)
        return Found([])
    else:
        first = files_of(dataset.team, config, folder)[0][0]
        found = file_found(first, config["format"], dialect_in(config))
    if len(found.columns) > settings.SOURCE_MAX_COLUMNS:
        raise InvalidError(
            f"There are {len(found.columns):,} columns, more than the {settings.SOURCE_MAX_COLUMNS:,} that are taken.",
            field="file",
        )
    return found


def file_found(path: Path, format: str, dialect: Dialect | None = None) -> Found:
    """Return what the columns of a file look like."""
    if format == "parquet":
        schema, batches = tables.parquet_batches(path)
        return tables.found_in(batches, schema)
    return delimited.found_in(path, dialect)
