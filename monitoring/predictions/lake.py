"""The prediction log: one Delta table, partitioned by model and day, that any engine can read.

Inputs and outputs are JSON text, because the models' columns differ and change while the table's schema must not:
Spark, Trino, DuckDB, Polars and Dask all read JSON columns. A NaN is written as null; both mean "missing".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import (
    BloomFilterProperties,
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from django.conf import settings

from monitoring.drift.features import answer_of
from monitoring.telemetry import score_of
from serving.contract import PredictionRecord, is_withheld

SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("day", pa.date32()),
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("at", pa.timestamp("us", "UTC")),
        ("model_id", pa.int64()),
        ("version", pa.int32()),
        ("arm", pa.string()),
        ("table_version", pa.int64()),
        ("weight_bp", pa.int32()),
        ("key_hash", pa.int64()),  # the 64 bits read as signed: Delta has no unsigned integers
        ("pinned", pa.bool_()),
        ("status", pa.int16()),
        ("latency_us", pa.int64()),
        ("score", pa.float64()),
        ("inputs", pa.string()),
        ("outputs", pa.string()),
        ("error", pa.string()),
        ("spool_id", pa.string()),
        ("segment", pa.int64()),
        ("caller_id", pa.int64()),
    ]
)
PREDICTIONS = "predictions"
PARTITIONS = ["model", "day"]
ROW_GROUP = 1_000_000
KEPT = ("inputs", "outputs")
EPOCH = datetime.fromtimestamp(0, UTC)
CONFIGURATION = {
    "delta.checkpointInterval": "100",
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}
STATISTICS = ("request_id", "at", "time", "model_id", "version")  # of which each file's range is in Delta's log


@dataclass(frozen=True)
class Segment:
    """One sealed segment and the records in it."""

    spool_id: str
    number: int
    path: Path
    records: list[PredictionRecord]


def table_path(name: str = PREDICTIONS) -> Path:
    """Return the folder of a table."""
    return Path(settings.LAKE_ROOT) / name


def open_table(name: str = PREDICTIONS) -> DeltaTable | None:
    """Return a table; None before anything was written to it."""
    path = str(table_path(name))
    return DeltaTable(path) if DeltaTable.is_deltatable(path) else None


def writing(rows: int) -> WriterProperties:
    """Return how files of so many rows are written: with a Bloom filter, so that one request is found without reading."""
    bloom = BloomFilterProperties(set_bloom_filter_enabled=True, fpp=0.01, ndv=max(1, min(rows, ROW_GROUP)))
    return WriterProperties(
        compression="ZSTD", max_row_group_size=ROW_GROUP,
        column_properties={"request_id": ColumnProperties(bloom_filter_properties=bloom)},
    )  # fmt: skip


def append(segments: Sequence[Segment]) -> int:
    """Append, in one commit, the segments that the table does not hold yet; return how many records were new.

    The commit names the last segment of each spool, so a repeat finds them and adds nothing.
    """
    table = open_table()
    held = {spool: table.transaction_version(spool) for spool in {s.spool_id for s in segments}} if table else {}
    new = [s for s in segments if s.number > _number(held.get(s.spool_id))]
    if not new:
        return 0
    last = {s.spool_id: s.number for s in sorted(new, key=lambda s: s.number)}
    commit = CommitProperties(app_transactions=[Transaction(spool, number) for spool, number in last.items()])
    rows = _rows(new)
    write(PREDICTIONS, rows, commit)
    return int(rows.num_rows)


def write(name: str, rows: pa.Table, commit: CommitProperties) -> None:
    """Append rows to a table, which is made if need be, and gains the columns that it lacks."""
    table = open_table(name)
    statistics = ",".join(column for column in STATISTICS if column in rows.schema.names)
    configuration = CONFIGURATION | {"delta.dataSkippingStatsColumns": statistics}
    write_deltalake(
        table or str(table_path(name)), rows, mode="append", schema_mode="merge", partition_by=PARTITIONS,
        configuration=None if table else configuration, commit_properties=commit, writer_properties=writing(len(rows)),
    )  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """What some predictions were asked, without what was withheld from the log, and the score that each answered."""

    inputs: list[dict[str, Any]]
    scores: list[float | None]


def latest_answers(*, model_id: int, model: str, number: int, since: datetime, limit: int) -> Answers:
    """Return answered predictions of a version, at most ``limit`` of the latest since ``since``, newest first.

    Shadow copies and pinned requests are left out: they are not what callers sent for a decision.
    Files are opened newest first and no more of them than needed, so the cost does not grow with the table.
    """
    rows = _answered(_files(model, since), model_id=model_id, number=number, since=since, limit=limit)
    return _answers(rows.sort_by([("at", "descending")]).slice(0, limit)) if rows else Answers([], [])


def first_answers(*, model_id: int, model: str, number: int, limit: int) -> Answers:
    """Return the same of a version's first predictions, oldest first; shadow copies among them, whose inputs are real."""
    files = reversed(list(_files(model, EPOCH)))
    rows = _answered(files, model_id=model_id, number=number, since=EPOCH, limit=limit, besides="")
    return _answers(rows.sort_by([("at", "ascending")]).slice(0, limit)) if rows else Answers([], [])


def _answered(
    files: Iterable[Path], *, model_id: int, number: int, since: datetime, limit: int, besides: str = "shadow"
) -> pa.Table | None:
    parts = []
    found = 0
    for path in files:
        rows = pq.ParquetFile(path).read(columns=["at", "model_id", "version", "arm", "pinned", "status", *KEPT])
        rows = rows.filter(
            (pc.field("model_id") == model_id)
            & (pc.field("version") == number)
            & (pc.field("at") >= pa.scalar(since, pa.timestamp("us", "UTC")))
            & (pc.field("arm") != besides)
            & ~pc.field("pinned")
            & (pc.field("status") < 400)
        )
        parts.append(rows.select(["at", *KEPT]))
        found += rows.num_rows
        if found >= limit:
            break
    return pa.concat_tables(parts) if parts else None


def told(inputs: Iterable[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those columns of a signature that the log tells of: not the ones that a policy withheld from all rows."""
    return [column for column in inputs if not rows or any(column["name"] in row for row in rows)]


def _answers(rows: pa.Table) -> Answers:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    asked, answered = ([decode(text) for text in rows[name].to_pylist()] for name in KEPT)
    inputs = [{name: value for name, value in row.items() if not is_withheld(value)} for row in asked]
    return Answers(inputs, [answer_of(row) for row in answered])


def _files(model: str, since: datetime) -> Iterator[Path]:
    """Yield the files with predictions of ``model`` since ``since``, newest first."""
    table = open_table()
    if table is None:
        return
    files = pa.table(table.get_add_actions(flatten=True)).select(["path", "partition.model", "max.at"]).to_pylist()
    wanted = [(f["max.at"], f["path"]) for f in files if f["partition.model"] == model and f["max.at"] >= since]
    for _, path in sorted(wanted, reverse=True):
        yield table_path() / unquote(path)


def signed(bits: int) -> int:
    """Return 64 bits read as a signed integer."""
    return bits - (1 << 64) if bits >> 63 else bits


def _number(version: int | None) -> int:
    return -1 if version is None else version


def _rows(segments: Sequence[Segment]) -> pa.Table:
    encode = msgspec.json.Encoder().encode
    pairs = [(segment, r) for segment in segments for r in segment.records]
    records = [r for _, r in pairs]
    times = [datetime.fromtimestamp(r.at, UTC) for r in records]
    columns = {
        "model": [r.model for r in records],
        "day": [at.date() for at in times],
        "request_id": [r.request_id for r in records],
        "row": [r.row for r in records],
        "at": times,
        "model_id": [r.model_id for r in records],
        "version": [r.number for r in records],
        "arm": [r.arm for r in records],
        "table_version": [r.table_version for r in records],
        "weight_bp": [r.weight_bp for r in records],
        "key_hash": [signed(r.key_hash) for r in records],
        "pinned": [r.pinned for r in records],
        "status": [r.status for r in records],
        "latency_us": [r.latency_us for r in records],
        "score": [score_of(r.outputs) for r in records],
        "inputs": [encode(r.inputs).decode() for r in records],
        "outputs": [encode(r.outputs).decode() for r in records],
        "error": [r.error for r in records],
        "spool_id": [segment.spool_id for segment, _ in pairs],
        "segment": [segment.number for segment, _ in pairs],
        "caller_id": [r.caller_id for r in records],
    }
    return pa.table(columns, schema=SCHEMA)
