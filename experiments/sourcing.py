"""Reading a declared source: the preview that a person chooses columns by, and the rows that a job stages."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from django.conf import settings

from experiments.contracts.sources import rows_in
from experiments.intake import database, delimited, places, tables
from experiments.intake.delimited import Dialect, Found
from experiments.models import Dataset, DatasetSource, DatasetUpload, DatasetVersion, source_folder
from experiments.retrieval import FEATURES, GRADE, GRADE_MEANING, KEY, ROLES, TITLE, joined, read_retrieval
from experiments.roles import GRADE as GRADED
from experiments.splitting import SPLIT_COLUMN
from registry.errors import InvalidError
from registry.models import Team

SUFFIXES = {"csv": (".csv", ".tsv", ".txt"), "parquet": (".parquet",), "retrieval": (".jsonl", ".tsv", ".txt")}


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


def connections_of(team: Team) -> list[str]:
    """Return the names of the connections that a team may read by; their addresses are told to nobody."""
    return sorted(name for name, one in settings.DATA_CONNECTIONS.items() if team.slug in one.get("teams", []))


def preview(dataset: Dataset, kind: str, config: Mapping[str, Any], folder: Path) -> Found:
    """Return what the columns of a source look like, by its first rows.

    Args:
        folder: for copies of what lies on S3.

    Raises:
        InvalidError: there is no such source, or it cannot be read; names the field.
    """
    if kind == DatasetSource.Kind.UPLOAD:
        upload = _upload(dataset, config)
        found = file_found(upload.place, upload.format, _dialect(config))
    elif kind == DatasetSource.Kind.POSTGRES:
        query = database.checked(_query(config))
        with database.reading(_url(dataset.team, config), timeout_s=10) as opened:
            found = database.found_in(opened, query)
    elif config["format"] == "delta":
        table = _table(dataset.team, config)
        schema, batches = tables.delta_batches(table)
        found = tables.found_in(batches, schema)
    elif config["format"] == "retrieval":
        _retrieval(dataset.team, config, folder)
        return Found([])
    else:
        first = _files(dataset.team, config, folder)[0][0]
        found = file_found(first, config["format"], _dialect(config))
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
        upload = _upload(source.dataset, config)
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
        with database.reading(_url(team, config), timeout_s=settings.SOURCE_QUERY_SECONDS) as opened:
            most = settings.SOURCE_MAX_ROWS - (parent.rows if parent else 0) + 1
            reading = database.Reading(opened, database.checked(_query(config)), above=above, most_rows=most)
            told = {"connection": config["connection"], "query": config["query"], "above": above}
            new = _noted(reading, columns, told)
            first = next(new, None)
            before = rows_in(parent.parquet).batches([c["name"] for c in columns]) if parent else iter(())
            yield Fetched(
                chain(_plain(before, columns), [first] if first is not None else [], new), told,
                f"Query of {config['connection']}: {config['query']}", parent, fresh=first is not None,
            )  # fmt: skip
    elif config["format"] == "delta":
        table = _table(team, config)
        _, found = tables.delta_batches(table)
        told = {"table": config["place"], "on": config["on"], "table_version": table.version()}
        yield Fetched(tables.typed(found, columns), told, f"Delta table {config['place']}, version {table.version()}.")
    elif config["format"] == "retrieval":
        frame = joined(read_retrieval(_retrieval(team, config, folder)))
        told = {"folder": config["place"], "on": config["on"], "format": "TREC or BEIR"}
        yield Fetched(
            iter([pl.from_pandas(frame)]),
            told,
            f"Documents, queries and judgements of {config['place']}.",
            target_kind=GRADED,
        )
    else:
        files = _files(team, config, folder)
        told = {
            "files": [{"name": path.name, "bytes": path.stat().st_size, "etag": tag} for path, tag in files],
            "on": config["on"],
        }
        batches = chain.from_iterable(_rows(path, config["format"], config, columns) for path, _ in files)
        yield Fetched(batches, told, f"{len(files)} file{'' if len(files) == 1 else 's'} of {config['place']}.")


def retrieval_columns() -> list[dict[str, str]]:
    """Return the columns of documents, queries and judgements, as they come out of their files."""
    roles = {
        **ROLES, GRADE: ("target", GRADE_MEANING), KEY: ("key", "names the judgement"),
        SPLIT_COLUMN: ("split", "which part the query belongs to; corpus: a document that nobody judged"),
        **{name: ("feature", meaning) for name, meaning in FEATURES.items()},
        TITLE: ("ignored", FEATURES[TITLE]),  # many collections have none
    }  # fmt: skip
    return [
        {"name": name, "type": "long" if name == GRADE else "string", "role": role, "meaning": meaning}
        for name, (role, meaning) in roles.items()
    ]


def _rows(path: Path, format: str, config: Mapping[str, Any], columns: list[dict[str, str]]) -> Iterator[pl.DataFrame]:
    if format == "parquet":
        return tables.typed(tables.parquet_batches(path)[1], columns)
    return delimited.typed(path, _dialect(config) or delimited.dialect_of(path), columns)


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


def _files(team: Team, config: Mapping[str, Any], folder: Path) -> list[tuple[Path, str]]:
    suffixes, most = SUFFIXES[config["format"]], settings.SOURCE_MAX_BYTES
    if config["on"] == "s3":
        bucket, key = places.s3_place(settings.SOURCES_S3, team.slug, config["place"])
        return list(places.s3_files(bucket, key, folder, suffixes, most))
    root = source_folder(team.slug)
    return [(path, "") for path in places.local_files(places.local(root, config["place"]), root, suffixes, most)]


def _retrieval(team: Team, config: Mapping[str, Any], folder: Path) -> Path:
    files = _files(team, config, folder)
    return files[0][0].parent


def _table(team: Team, config: Mapping[str, Any]) -> DeltaTable:
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


def _upload(dataset: Dataset, config: Mapping[str, Any]) -> DatasetUpload:
    upload = dataset.uploads.filter(pk=int(config.get("upload") or 0)).first()
    if upload is None or not upload.place.exists():
        raise InvalidError(
            "The uploaded file is gone: it was made a version, or waited too long. Upload it again.", field="upload"
        )
    return upload


def _forget(upload: DatasetUpload) -> None:
    upload.place.unlink(missing_ok=True)


def _dialect(config: Mapping[str, Any]) -> Dialect | None:
    return Dialect(**config["dialect"]) if config.get("dialect") else None


def _query(config: Mapping[str, Any]) -> database.Query:
    return database.Query(config["query"], config["watermark"], config["start"])


def _url(team: Team, config: Mapping[str, Any]) -> str:
    if config["connection"] not in connections_of(team):
        raise InvalidError(
            f"Your team has no connection {config['connection']}; the platform configures them.", field="connection"
        )
    return str(settings.DATA_CONNECTIONS[config["connection"]]["url"])
