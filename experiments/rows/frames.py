"""Rows as files: Parquet under the data root, named by the digest of what they hold.

The digest does not depend on how Parquet was written. It is SHA-256 over the columns in order; each gives one line of
JSON, ``[name, type]``, then a byte 1 or 0 per row (present or missing), then the values: whole numbers and instants
(microseconds, UTC) as 8-byte little-endian integers, numbers as 8-byte little-endian IEEE 754, truth values as one byte,
all with zero where missing; text as 4-byte little-endian lengths followed by all the UTF-8 bytes.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TYPES = {pa.int64(): "long", pa.float64(): "double", pa.bool_(): "boolean", pa.large_string(): "string"}
INSTANT = pa.timestamp("us", tz="UTC")
GROUP_ROWS = 131_072  # of a file, so that one with many columns is read in little memory


class DataChangedError(Exception):
    """The file no longer holds the rows that its digest names."""


@dataclass(frozen=True)
class SavedFrame:
    """Rows that were written."""

    file: str  # relative to the data root
    digest: str
    rows: int
    types: dict[str, str]


def save_frame(frame: pd.DataFrame, root: Path) -> SavedFrame:
    """Write rows under ``root``, named by their digest; writing the same rows again changes nothing.

    Raises:
        TypeError: a column holds something other than whole numbers, numbers, truth values, text or instants.
    """
    return save_table(table_of(frame), root)


def save_table(table: pa.Table, root: Path) -> SavedFrame:
    """Write rows under ``root``, named by their digest; writing the same rows again changes nothing.

    Args:
        table: of the types that ``TYPES`` and ``INSTANT`` name.
    """
    digest = content_digest(table)
    file = f"{digest.removeprefix('sha256:')}.parquet"
    root.mkdir(parents=True, exist_ok=True)
    if not (root / file).exists():
        partial = root / f".{file}.{id(table)}"
        pq.write_table(table, partial, compression="zstd", row_group_size=GROUP_ROWS)
        partial.replace(root / file)
    return SavedFrame(file, digest, table.num_rows, types_of(table.schema))


def save_file(path: Path, root: Path) -> SavedFrame:
    """Move rows that were written as Parquet under ``root``, named by their digest, without holding them in memory.

    Args:
        path: on the same disk as ``root``; it is gone afterwards.
    """
    with pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows

    def column(name: str) -> Iterator[pa.Array]:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=[name]):
                yield batch.column(0)

    digest = _digest(schema, column)
    name = f"{digest.removeprefix('sha256:')}.parquet"
    root.mkdir(parents=True, exist_ok=True)
    if (root / name).exists():
        path.unlink()
    else:
        path.replace(root / name)
    return SavedFrame(name, digest, rows, types_of(schema))


def types_of(schema: pa.Schema) -> dict[str, str]:
    """Return the type of each column, in the words of data sets."""
    return {field.name: _type(field) for field in schema}


def load_frame(path: Path, digest: str) -> pd.DataFrame:
    """Return the rows at ``path``.

    Raises:
        FileNotFoundError: there is no such file.
        DataChangedError: they are not the rows that ``digest`` names.
    """
    table = pq.read_table(path)
    found = content_digest(table)
    if found != digest:
        raise DataChangedError(f"{path.name} holds {found}, not {digest}; build the data set again.")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def content_digest(table: pa.Table) -> str:
    """Return ``sha256:…`` over the content, as the module describes."""
    return _digest(table.schema, lambda name: iter(table[name].chunks))


def _digest(schema: pa.Schema, column: Callable[[str], Iterator[pa.Array]]) -> str:
    """Return the digest of columns that are read in parts, each part as often as there are sections of it."""
    total = hashlib.sha256()
    for field in schema:
        total.update(json.dumps([field.name, _type(field)], ensure_ascii=False).encode() + b"\n")
        for part in column(field.name):
            total.update(_there(part).is_valid().to_numpy(zero_copy_only=False).astype("u1").tobytes())
        sections = (_lengths, _characters) if _is_text(field.type) else (_values,)
        for section in sections:
            for part in column(field.name):
                total.update(section(_there(part)))
    return f"sha256:{total.hexdigest()}"


def _there(column: pa.Array) -> pa.Array:
    """Return a column in which what is not a number is missing."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind))


def _lengths(column: pa.Array) -> bytes:
    return bytes(pc.binary_length(column.fill_null("")).to_numpy(zero_copy_only=False).astype("<i4").tobytes())


def _characters(column: pa.Array) -> bytes:
    return "".join(column.fill_null("").to_pylist()).encode()


def _values(column: pa.Array) -> bytes:
    if pa.types.is_timestamp(column.type):
        return bytes(column.cast(pa.int64()).fill_null(0).to_numpy().astype("<i8").tobytes())
    zero = pa.scalar(0).cast(column.type)
    values = column.fill_null(zero).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()


def table_of(frame: pd.DataFrame) -> pa.Table:
    """Return rows as a table of the types that are kept."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    fields = [
        pa.field(f.name, pa.large_string() if pa.types.is_string(f.type) else f.type, f.nullable) for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def _type(field: pa.Field) -> str:
    if field.type == INSTANT:
        return "datetime"
    try:
        return TYPES[pa.large_string() if pa.types.is_string(field.type) else field.type]
    except KeyError:
        raise TypeError(
            f"{field.name} is {field.type}; it must be int64, float64, bool, text or an instant in UTC"
        ) from None
