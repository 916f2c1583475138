"""The rows of one run of a source, in batches of the declared columns, and what was read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from django.conf import settings

from experiments.contracts.sources import rows_in
from experiments.intake import database, delimited, tables
from experiments.intake.dialects import dialect_of
from experiments.models import DatasetSource, DatasetUpload, DatasetVersion
from experiments.rows.retrieval import joined, read_retrieval
from experiments.rows.roles import GRADE as GRADED
from experiments.sourcing.connections import address_of
from experiments.sourcing.opening import dialect_in, files_of, query_of, retrieval_folder, table_of, upload_of


@dataclass
class Fetched:
    """The rows of one run.

    Attributes:
        batches: of the declared columns, in their types.
        told: what was read, as JSON for the version; complete once the batches are read.
        about: the same in a sentence.
        parent: the version that the rows are added to.
        fresh: whether there is anything that no version holds.
        target_kind: what the target is known to be; empty: what it looks like.
        settle: what to do once they are a version.
    """

    batches: Iterator[pl.DataFrame]
    told: dict[str, Any]
    about: str
    parent: DatasetVersion | None = None
    fresh: bool = True
    target_kind: str = ""
    settle: Callable[[], None] = field(default=lambda: None)


@contextmanager
def fetching(source: DatasetSource, folder: Path) -> Iterator[Fetched]:
    """Open a source; its rows are read while the context lasts.

    Args:
        folder: of this attempt, for copies of what lies on S3.

    Raises:
        InvalidError: it cannot be read any more.
    """
    config, columns, team = source.config, source.columns, source.dataset.team
    if source.kind == source.Kind.UPLOAD:
        upload = upload_of(source.dataset, config)
        told = {"file": upload.name, "bytes": upload.size, "file_digest": upload.digest}
        batches = _rows(upload.place, upload.format, config, columns)
        yield Fetched(
            batches,
            told,
            f"Uploaded file {upload.name}, {upload.size:,} bytes, {upload.digest}.",
            settle=lambda: _forget(upload),
        )
    elif source.kind == source.Kind.POSTGRES:
        parent = source.versions.order_by("-number").first()
        above = parent.query["up_to"] if parent else config["start"]
        with database.reading(
            address_of(team, config["connection"]), timeout_s=settings.SOURCE_QUERY_SECONDS
        ) as opened:
            most = settings.SOURCE_MAX_ROWS - (parent.rows if parent else 0) + 1
            reading = database.Reading(opened, database.checked(query_of(config)), above=above, most_rows=most)
            told = {"connection": config["connection"], "query": config["query"], "above": above}
            new = _noted(reading, columns, told)
            first = next(new, None)
            before = rows_in(parent.parquet).batches([c["name"] for c in columns]) if parent else iter(())
            yield Fetched(
                chain(_plain(before, columns), [first] if first is not None else [], new), told,
                f"Query of {config['connection']}: {config['query']}", parent, fresh=first is not None,
            )  # fmt: skip
    elif config["format"] == "delta":
        table = table_of(team, config)
        _, found = tables.delta_batches(table)
        told = {"table": config["place"], "on": config["on"], "table_version": table.version()}
        yield Fetched(tables.typed(found, columns), told, f"Delta table {config['place']}, version {table.version()}.")
    elif config["format"] == "retrieval":
        frame = joined(read_retrieval(retrieval_folder(team, config, folder)))
        told = {"folder": config["place"], "on": config["on"], "format": "TREC or BEIR"}
        yield Fetched(
            iter([pl.from_pandas(frame)]),
            told,
            f"Documents, queries and judgements of {config['place']}.",
            target_kind=GRADED,
        )
    else:
        files = files_of(team, config, folder)
        told = {
            "files": [{"name": path.name, "bytes": path.stat().st_size, "etag": tag} for path, tag in files],
            "on": config["on"],
        }
        batches = chain.from_iterable(_rows(path, config["format"], config, columns) for path, _ in files)
        yield Fetched(batches, told, f"{len(files)} file{'' if len(files) == 1 else 's'} of {config['place']}.")


def _rows(path: Path, format: str, config: Mapping[str, Any], columns: list[dict[str, str]]) -> Iterator[pl.DataFrame]:
    if format == "parquet":
        return tables.typed(tables.parquet_batches(path)[1], columns)
    return delimited.typed(path, dialect_in(config) or dialect_of(path), columns)


def _plain(batches: Iterator[pl.DataFrame], columns: list[dict[str, str]]) -> Iterator[pl.DataFrame]:
    """Yield rows of a version as they came: labels that are true or false were kept as 1 and 0."""
    truths = [pl.col(c["name"]).cast(pl.Boolean) for c in columns if c["type"] == "boolean"]
    for batch in batches:
        yield batch.with_columns(truths)


def _noted(reading: database.Reading, columns: list[dict[str, str]], told: dict[str, Any]) -> Iterator[pl.DataFrame]:
    """Yield the rows of a query, and note how many there were and how far they reach."""
    told |= {"new_rows": 0, "up_to": reading.up_to}
    for batch in reading.batches(columns):
        told["new_rows"] += batch.height
        told["up_to"] = reading.up_to
        yield batch


def _forget(upload: DatasetUpload) -> None:
    upload.place.unlink(missing_ok=True)
