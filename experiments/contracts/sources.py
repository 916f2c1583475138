"""Rows as batches that can be read more than once, so that any number of them is checked in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 131_072


@dataclass(frozen=True)
class Rows:
    """Rows to check.

    Attributes:
        types: {column: type}, in order, in the words of data sets; what has no such word as Arrow names it.
        count: how many there are.
        batches: reads them from the start, of these columns alone.
    """

    types: dict[str, str]
    count: int
    batches: Callable[[list[str]], Iterator[pl.DataFrame]]


def rows_of(table: pa.Table) -> Rows:
    """Return the rows of a table in memory."""

    def batches(columns: list[str]) -> Iterator[pl.DataFrame]:
        if not columns:
            return
        for batch in table.select(columns).to_batches(max_chunksize=BATCH_ROWS):
            yield _frame(batch)

    return Rows({field.name: type_word(field.type) for field in table.schema}, table.num_rows, batches)


def rows_in(path: Path) -> Rows:
    """Return the rows of a Parquet file, which stays on disk."""
    file = pq.ParquetFile(path)

    def batches(columns: list[str]) -> Iterator[pl.DataFrame]:
        if not columns:
            return
        with pq.ParquetFile(path, pre_buffer=False) as opened:
            for batch in opened.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                yield _frame(batch)

    with file:
        schema, count = file.schema_arrow, file.metadata.num_rows
    return Rows({field.name: type_word(field.type) for field in schema}, count, batches)


def type_word(kind: pa.DataType) -> str:
    """Return the word that data sets have for a type of Arrow, whatever its width."""
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "long"
    if pa.types.is_floating(kind):
        return "double"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "string"
    if pa.types.is_timestamp(kind):
        return "datetime"
    return str(kind)


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  of a batch
    return frame
