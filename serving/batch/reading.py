"""Inputs of a batch: Parquet, CSV and Delta, read in order and in chunks, a little at a time."""

from collections.abc import Iterator
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
    _dataset: ds.Dataset

    def chunks(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the input in order, ``rows`` at a time; the last chunk may be smaller.

        Raises:
            BatchError: the file cannot be read on; says where.
        """
        scanner = self._dataset.scanner(
            columns=self.schema.names, batch_size=rows, batch_readahead=1, fragment_readahead=1, use_threads=False
        )
        waiting: list[pa.RecordBatch] = []
        held = 0
        try:
            for batch in scanner.to_batches():
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
    path, version = Path(spec.input), None
    try:
        if spec.format == "delta":
            table = DeltaTable(path)
            dataset, version = table.to_pyarrow_dataset(), table.version()
        else:
            dataset = ds.dataset(_files(path, spec.format), format=_format(spec, columns))
        rows = None if spec.format == "csv" else dataset.count_rows()
    except (pa.ArrowInvalid, OSError, DeltaError) as error:
        raise BatchError(f"{path.name} is not {spec.format}: {error}") from error
    wanted = dict.fromkeys([*spec.keep, *(column.name for column in columns)])
    required = {*spec.keep, *(column.name for column in columns if column.required)}
    if missing := [name for name in wanted if name in required and name not in dataset.schema.names]:
        raise BatchError(
            f"{path.name} lacks the columns {', '.join(missing)}; it has {', '.join(dataset.schema.names)}"
        )
    fields = [dataset.schema.field(name) for name in wanted if name in dataset.schema.names]
    return Input(pa.schema(fields), rows, version, dataset)


def _files(path: Path, suffix: str) -> list[str]:
    """Return the files in the order of their names; what begins with a dot or underscore is none of the data."""
    if path.is_file():
        return [str(path)]
    found = [file for file in sorted(path.rglob(f"*.{suffix}")) if not file.name.startswith((".", "_"))]
    if not found:
        raise BatchError(f"{path.name}: there is no such file, and no folder with files that end in .{suffix}")
    return [str(file) for file in found]


def _format(spec: BatchSpec, columns: list[Column]) -> ds.FileFormat:
    """Return how the files are read; of CSV, columns that the model does not take are text, so that none is guessed."""
    if spec.format == "parquet":
        return ds.ParquetFileFormat()
    types = dict.fromkeys(spec.keep, pa.string()) | {column.name: ARROW[column.type] for column in columns}
    return ds.CsvFileFormat(
        convert_options=pv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=["", "NA", "null"]),
        read_options=pv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
    )


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    [batch] = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return batch
