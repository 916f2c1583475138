"""Parquet files and Delta tables: which columns can be kept, and their rows in batches of the types that are kept."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from experiments.contracts.sources import BATCH_ROWS
from experiments.intake.found import Found
from experiments.rows.freezing import KINDS
from registry.errors import InvalidError

PREVIEW_ROWS = 1_000


def kept_type(kind: pa.DataType) -> str:
    """Return the word for a type of Arrow that can be kept; empty for one that cannot, such as a list."""
    if pa.types.is_dictionary(kind):
        return kept_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "long"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "double"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    return "datetime" if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else ""


def found_in(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Found:
    """Return what the columns look like that can be kept; the others are left out.

    Raises:
        InvalidError: there are no rows.
    """
    head = next((batch for batch in batches if batch.num_rows), None)
    if head is None:
        raise InvalidError("There are no rows.", field="file")
    columns = []
    for field in schema:
        if kind := kept_type(field.type):
            values = head.column(field.name).slice(0, PREVIEW_ROWS).drop_null().slice(0, 4)
            columns.append(
                {"name": field.name, "type": kind, "samples": [str(value)[:40] for value in values.to_pylist()]}
            )
    return Found(columns)


def parquet_batches(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return schema and batches of a Parquet file.

    Raises:
        InvalidError: it is none, or it is damaged.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidError(f"{path.name} cannot be read as Parquet: {str(error)[:200]}", field="file") from None

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                yield from file.iter_batches(batch_size=BATCH_ROWS)
        except (pa.ArrowException, OSError) as error:
            raise InvalidError(f"{path.name} cannot be read as Parquet: {str(error)[:200]}", field="file") from None

    return schema, batches()


def delta_batches(table: DeltaTable) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return schema and batches of a Delta table, as it stood when it was opened.

    Raises:
        InvalidError: it needs what this reader does not know, such as deletion vectors.
    """
    try:
        dataset = table.to_pyarrow_dataset()
    except DeltaError as error:
        raise InvalidError(f"The table cannot be read: {str(error)[:200]}", field="place") from None

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from dataset.scanner(batch_size=BATCH_ROWS, batch_readahead=1, fragment_readahead=1).to_batches()
        except (pa.ArrowException, OSError) as error:
            raise InvalidError(f"The table cannot be read: {str(error)[:200]}", field="place") from None

    return dataset.schema, batches()


def opened(place: str, options: dict[str, str] | None = None) -> DeltaTable:
    """Open a Delta table.

    Raises:
        InvalidError: there is none.
    """
    try:
        return DeltaTable(place, storage_options=options)
    except (DeltaError, OSError) as error:
        raise InvalidError(f"There is no Delta table: {str(error)[:200]}", field="place") from None


def typed(batches: Iterator[pa.RecordBatch], columns: Sequence[Mapping[str, Any]]) -> Iterator[pl.DataFrame]:
    """Yield the declared columns in their types.

    Raises:
        InvalidError: a column is missing, or a value does not fit its type; names column and row.
    """
    before = 0
    for batch in batches:
        made: dict[str, pa.Array] = {}
        for column in columns:
            name, kind = column["name"], column["type"]
            if name not in batch.schema.names:
                raise InvalidError(
                    f"There is no column {name}; there are {', '.join(batch.schema.names)}.", field="columns"
                )
            try:
                made[name] = cast(batch.column(name), kind)
            except pa.ArrowException as error:
                raise InvalidError(
                    f"Column {name}, rows {before + 1:,} to {before + batch.num_rows:,}: {str(error)[:200]}. Choose another type.",
                    field="columns",
                ) from None
        frame = pl.from_arrow(pa.table(made))
        assert isinstance(frame, pl.DataFrame)  # noqa: S101  of a table
        yield frame
        before += batch.num_rows


def cast(column: pa.Array, kind: str) -> pa.Array:
    """Return a column in a type that is kept; a number that is none is missing, and a time without a zone is UTC.

    Raises:
        pa.ArrowException: a value does not fit.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    wanted = KINDS[kind]
    if pa.types.is_timestamp(wanted):
        if pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("s"))
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            column = column.cast(pa.timestamp("us"), safe=False)
        return column.cast(wanted, safe=False)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)
    return column.cast(wanted)
