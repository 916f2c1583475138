"""Rows that are cut out of what goes on growing, as a table of the columns that were declared. No ORM, clock or settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from experiments.rows.frames import INSTANT
from registry.errors import InvalidError

KINDS = {
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.large_string(),
    "datetime": INSTANT,
}


def frozen_table(frame: pd.DataFrame | pl.DataFrame, columns: Sequence[Mapping[str, str]]) -> pa.Table:
    """Return the declared columns of ``frame``, in order and of the declared types; numbers that are none are missing.

    Raises:
        InvalidError: there are no rows, a column is missing or is not of its type; names it.
    """
    table = frame.to_arrow() if isinstance(frame, pl.DataFrame) else pa.Table.from_pandas(frame, preserve_index=False)
    if not table.num_rows:
        raise InvalidError("There are no rows to freeze.", field="frame")
    there = table.column_names
    made: dict[str, Any] = {}
    for column in columns:
        name, kind = column["name"], column["type"]
        if kind not in KINDS:
            raise InvalidError(f"{name}: type must be one of {', '.join(KINDS)}, not {kind}.", field="columns")
        if name not in there:
            raise InvalidError(f"The rows have no column {name}; they have {', '.join(there)}.", field="columns")
        try:
            made[name] = _cast(table[name], KINDS[kind])
        except pa.ArrowException as error:
            raise InvalidError(
                f"{name} is {table.schema.field(name).type}, not {kind}: {error}", field="columns"
            ) from None
    return pa.table(made)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pa.chunked_array([pa.array(part, from_pandas=True) for part in column.to_numpy().reshape(1, -1)])
    if pa.types.is_timestamp(column.type) and column.type.tz is None and pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us"), safe=False)  # without a zone it is UTC
    return column.cast(kind, safe=not pa.types.is_timestamp(kind))
