"""Inputs of a batch: Parquet, CSV and Delta, read in order and in chunks, a little at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from serving.contract import BatchSpec, Column

ARROW = {
    "double": pa.float64(), "float": pa.float64(), "long": pa.int64(), "integer": pa.int64(), "boolean": pa.bool_(),
    "string": pa.string(),
}  # fmt: skip
BLOCK_BYTES = 4 * 1024 * 1024  # of CSV text that is parsed at once


class BatchError(Exception):
    """The batch cannot be scored; says what is wrong with it and where."""


@dataclass(frozen=True)
class Input:
    """An opened input.

    Attributes:
        schema: of the columns that are read.
        rows: how many there are; None where only reading all would tell.
        version: of a Delta table.
    """

    schema: pa.Schema
    rows: int | None
    version: int | None
    _batches: Callable[[], Iterator[pa.RecordBatch]]

    def chunks(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the input in order, ``rows`` at a time; the last chunk may be smaller.

        Raises:
            BatchError: the file cannot be read on; says where.
        """
        waiting: list[pa.RecordBatch] = []
        held = 0
        try:
            for batch in self._batches():
                while batch.num_rows:
                    part = batch.slice(0, rows - held)
                    batch = batch.slice(part.num_rows)
                    waiting.append(part)
                    held += part.num_rows
                    if held == rows:
                        yield _joined(waiting)
                        waiting, held = [], 0
        except (pa.ArrowInvalid, OSError) as error:
            raise BatchError(str(error)) from error
        if waiting:
            yield _joined(waiting)


def open_input(spec: BatchSpec, columns: list[Column]) -> Input:
    """Return the input, of which ``columns`` and those to keep are read.

    Raises:
        BatchError: there is no such input, or it lacks a column.
    """
    path = Path(spec.input)
    try:
        if spec.format == "csv":
            return _csv(_files(path, "csv"), spec, columns)
        if spec.format == "delta":
            table = DeltaTable(path)
            return _parquet(path, table.to_pyarrow_dataset(), spec, columns, table.version())
        return _parquet(path, ds.dataset(_files(path, "parquet"), format="parquet"), spec, columns, None)
    except (pa.ArrowInvalid, OSError, DeltaError) as error:
        raise BatchError(f"{path.name} is not {spec.format}: {error}") from error


def _parquet(
    path: Path, dataset: ds.Dataset, spec: BatchSpec, columns: list[Column], version: int | None
) -> Input:  # fmt: skip
    names = _wanted(path, dataset.schema.names, spec, columns)

    def batches() -> Iterator[pa.RecordBatch]:
        # Group by group: scanned as a whole, a file is in memory as a whole in the end.
        for fragment in dataset.get_fragments():
            for group in fragment.split_by_row_group():
                yield from group.to_batches(schema=dataset.schema, columns=names, use_threads=False)

    return Input(pa.schema([dataset.schema.field(name) for name in names]), dataset.count_rows(), version, batches)


def _csv(files: list[Path], spec: BatchSpec, columns: list[Column]) -> Input:
    """Columns that the model does not take are text, so that none is guessed from the first rows."""
    with pv.open_csv(files[0]) as reader:
        names = _wanted(Path(spec.input), reader.schema.names, spec, columns)
    types = dict.fromkeys(spec.keep, pa.string()) | {column.name: ARROW[column.type] for column in columns}
    convert = pv.ConvertOptions(
        column_types=types, include_columns=names, strings_can_be_null=True, null_values=["", "NA", "null"]
    )
    read = pv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            with pv.open_csv(file, convert_options=convert, read_options=read) as reader:
                yield from reader

    return Input(pa.schema([(name, types[name]) for name in names]), None, None, batches)


def _wanted(path: Path, given: list[str], spec: BatchSpec, columns: list[Column]) -> list[str]:
    wanted = dict.fromkeys([*spec.keep, *(column.name for column in columns)])
    optional = {column.name for column in columns if not column.required} - {*spec.keep}
    if missing := [name for name in wanted if name not in given and name not in optional]:
        raise BatchError(f"{path.name} lacks the columns {', '.join(missing)}; it has {', '.join(given)}")
    return [name for name in wanted if name in given]


def _files(path: Path, suffix: str) -> list[Path]:
    """Return the files in the order of their names; what begins with a dot or underscore is none of the data."""
    if path.is_file():
        return [path]
    found = [file for file in sorted(path.rglob(f"*.{suffix}")) if not file.name.startswith((".", "_"))]
    if not found:
        raise BatchError(f"{path.name}: there is no such file, and no folder with files that end in .{suffix}")
    return found


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    [batch] = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return batch
